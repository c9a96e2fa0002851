"""What packages bring and an appliance does not need."""

from __future__ import annotations

import re

_UNWANTED = re.compile(
    # Documentation and translations; licences are kept beside the image.
    r"usr/share/(?:doc|man|info|lintian|locale|bug|doc-base|common-licenses|reportbug|gdb"
    r"|bash-completion|zsh|fish|applications|menu|pixmaps|icons|perl5|gitweb|vim|emacs|i18n"
    r"|applications|polkit-1|debhelper|apport|initramfs-tools|groff|nano|readline|mime)(?:/|$)"
    # For developing, not for running.
    r"|usr/include/|usr/lib/pkgconfig/|usr/share/pkgconfig/|usr/lib/.*\.a$|usr/lib/.*\.o$"
    r"|usr/lib/python3[^/]*/(?:test|idlelib|turtledemo|ensurepip|tkinter|pydoc_data)/"
    r"|usr/lib/python3[^/]*/config-"
    # Package management and start-up of another kind of system.
    r"|etc/(?:init\.d|rc.\.d|default/(?!locale)|apt|cron\.[a-z]+|logrotate\.d|xdg|X11|kernel"
    r"|initramfs-tools|dpkg|update-motd\.d|emacs|skel/\.bash_logout)(?:/|$)"
    r"|usr/share/initramfs-tools/|usr/lib/(?:dpkg|apt|init/|runit-helper|lsb)/?"
    r"|usr/bin/(?:deb-systemd-|bashbug|catchsegv)|usr/sbin/(?:grub|update-initramfs)"
    r"|usr/lib/(?:kernel|sysusers\.d/\.)/|boot/"
    # The compiled hardware database is not built: its sources would be dead weight.
    r"|usr/lib/udev/hwdb\.d/"
    # Signs files with the host's key for host-based login, which is off.
    r"|usr/lib/openssh/ssh-keysign$"
    # Localised data: C.UTF-8 is the appliance's locale.
    r"|usr/lib/locale/(?!C\.utf8)"
    # Git's parts that need perl, a web server or a desktop.
    r"|usr/lib/git-core/(?:git-(?:svn|cvs|archimport|gui|citool|send-email|instaweb|p4|daemon"
    r"|imap-send|http-backend|add--interactive|request-pull|filter-branch|shell)|mergetools/)"
    # Its programs for huge working trees, for restricted logins, for pushing by WebDAV.
    r"|usr/bin/(?:scalar|git-shell)$|usr/lib/git-core/(?:scalar|git-http-push)$"
    # zstd's older program for several threads, which zstd has itself.
    r"|usr/bin/pzstd$"
    r"|usr/share/git-core/contrib/|usr/share/git/"
)


def unwanted(path: str) -> bool:
    """Whether a package's file is left out of the root."""
    return _UNWANTED.match(path) is not None
