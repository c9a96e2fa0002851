"""What the packages' maintainer scripts would have done, as far as it depends on packages alone.

Fixed texts (PAM, nsswitch.conf and the like) are files of the overlay.
"""

from __future__ import annotations

from lib.tar import Entry, directory, file, link

# Debian's alternatives, fixed.
_ALTERNATIVES = {
    "usr/bin/awk": "mawk",
    "usr/bin/which": "which.debianutils",
    "usr/bin/pager": "less",
    "usr/bin/sh": "bash",
}
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf",
    "etc/mtab": "../proc/self/mounts",
    "etc/localtime": "../usr/share/zoneinfo/Etc/UTC",
    "etc/os-release": "../usr/lib/os-release",
    "etc/default/locale": "../locale.conf",
    "usr/lib/ssl/certs": "/etc/ssl/certs",
    "usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
    "etc/systemd/system/default.target": "/usr/lib/systemd/system/multi-user.target",
}
# Mount points and other directories that no package owns.
_DIRECTORIES = {
    **dict.fromkeys(("meso", "nix", "state", "home", "efi", "boot", "srv", "mnt", "opt"), 0o755),
    **dict.fromkeys(("proc", "sys", "dev", "run", "var", "etc/profile.d"), 0o755),
    "root": 0o700,
    "tmp": 0o1777,
}


def _certificates(entries: dict[str, Entry]) -> bytes:
    chosen = sorted(
        path
        for path in entries
        if path.startswith("usr/share/ca-certificates/") and path.endswith(".crt")
    )
    return b"".join(bytes(entries[path].data) for path in chosen)


def _var_rules(entries: dict[str, Entry]) -> str:
    """/var starts empty on the state partition: the packages' directories, made at boot."""
    skip = ("var", "var/run", "var/lock", "var/tmp", "var/lib/dpkg", "var/cache/apt")
    return "".join(
        f"d /{path} {one.mode:04o} {one.uid} {one.gid} -\n"
        for path, one in sorted(entries.items())
        if path.startswith("var/") and one.kind == "dir" and path not in skip
    )


def applied(entries: dict[str, Entry], triplet: str) -> dict[str, Entry]:
    """The packages' files with these changes made."""
    full = {path: one for path, one in entries.items() if not path.startswith("var/")}
    # Which units start is decided in one place (the step `root`), not by packages.
    full = {p: e for p, e in full.items() if not p.startswith("etc/systemd/system/")}
    rules = file("usr/lib/tmpfiles.d/00-packages-var.conf", _var_rules(entries))
    bundle = file("etc/ssl/certs/ca-certificates.crt", _certificates(entries))
    made = [rules, bundle]
    made += [link(path, target) for path, target in {**_ALTERNATIVES, **_LINKS}.items()]
    made += [directory(path, mode) for path, mode in _DIRECTORIES.items()]
    for name in ("blas", "lapack"):
        if f"usr/lib/{triplet}/{name}/lib{name}.so.3" in entries:
            made.append(link(f"usr/lib/{triplet}/lib{name}.so.3", f"{name}/lib{name}.so.3"))
    return full | {one.path: one for one in made}
