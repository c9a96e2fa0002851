"""What a stranger meets: no open door, no password, no way around the permissions."""

from __future__ import annotations

import pytest

from meso_host.vm.lab import LabMachine
from meso_services.boot.machine import SERVICES
from meso_services.runtime import process


def test_only_ssh_listens_beyond_the_machine(machine: LabMachine) -> None:
    lines = machine.run("ss -Hltn").stdout.splitlines()
    ports = {line.split()[3].rsplit(":", 1)[1] for line in lines}
    assert ports == {"22"}


def test_udp_is_only_what_the_network_itself_needs(machine: LabMachine) -> None:
    lines = machine.run("ss -Hlun").stdout.splitlines()
    ports = {line.split()[3].rsplit(":", 1)[1] for line in lines}
    # DHCP's client for both protocols, and NAME.local.
    assert ports <= {"68", "546", "5353"}


def test_the_firewall_drops_what_it_does_not_know(machine: LabMachine) -> None:
    rules = machine.run("nft list ruleset").stdout
    assert "hook input" in rules
    assert rules.count("policy drop") >= 2
    assert machine.root.service("nftables").is_running


def test_nobody_has_a_password(machine: LabMachine) -> None:
    for line in machine.run("cat /etc/shadow").stdout.splitlines():
        assert line.split(":")[1] in ("*", "!*"), line.split(":")[0]


@pytest.mark.parametrize("setting", ["passwordauthentication", "kbdinteractiveauthentication"])
def test_ssh_takes_no_password(machine: LabMachine, setting: str) -> None:
    assert f"{setting} no" in machine.run("sshd -T").stdout.splitlines()


@pytest.mark.parametrize("user", ["operator", "root", "nobody"])
def test_ssh_offers_nothing_but_keys(machine: LabMachine, user: str) -> None:
    address = ["-p", str(machine.guest.port), f"{user}@127.0.0.1"]
    keyless = ["-F", "none", "-o", "PubkeyAuthentication=no", "-o", "StrictHostKeyChecking=no"]
    unknown = ["-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    tried = process.run(["ssh", *keyless, *unknown, *address, "true"], check=False, timeout=60)
    assert tried.status != 0
    assert "Permission denied (publickey)" in tried.stderr


@pytest.mark.parametrize(
    "setting", ["kexalgorithms", "ciphers", "macs", "hostkeyalgorithms", "pubkeyacceptedalgorithms"]
)
def test_ssh_speaks_only_modern_algorithms(machine: LabMachine, setting: str) -> None:
    lines = machine.run("sshd -T", check=True).stdout.splitlines()
    (offered,) = [line for line in lines if line.startswith(f"{setting} ")]
    for weak in ("sha1", "cbc", "3des", "dss", "diffie-hellman", "md5", "ecdsa", "ssh-rsa,"):
        assert weak not in offered


@pytest.mark.parametrize("service", SERVICES)
def test_a_user_outside_the_group_reaches_no_socket(machine: LabMachine, service: str) -> None:
    tried = machine.run(
        "setpriv --reuid=nobody --regid=nogroup --clear-groups "
        'python3 -I -c "import socket; '
        f"socket.socket(socket.AF_UNIX).connect('/run/meso/{service}.sock')\""
    )
    assert tried.status != 0
    assert "PermissionError" in tried.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_socket_is_open_to_the_group_only(machine: LabMachine, service: str) -> None:
    facts = machine.run(f"stat -c '%U %G %a' /run/meso/{service}.sock").stdout.strip()
    assert facts == "root meso 660"


def test_a_service_cannot_read_the_state_of_another(machine: LabMachine) -> None:
    users = " ".join(f"meso-{service}" for service in SERVICES)
    tried = machine.run(
        f"for user in {users}; do for place in /meso/*/ /var/lib/meso/*/; do "
        '[ "$(stat -c %U $place)" = $user ] && continue; '
        "setpriv --reuid=$user --regid=$user --clear-groups ls $place >/dev/null 2>&1 "
        "&& echo $user reads $place; done; done; true",
        check=True,
    )
    assert tried.stdout == ""


def test_no_program_is_setuid_or_setgid(machine: LabMachine) -> None:
    assert machine.run("find / -xdev -perm /6000 -type f", check=True).stdout == ""


def test_no_program_has_file_capabilities(machine: LabMachine) -> None:
    found = machine.run(
        "python3 -I -c \"import os; [print(d, f) for d, _, names in os.walk('/usr') "
        "for f in names if 'security.capability' in os.listxattr(f'{d}/{f}', "
        'follow_symlinks=False)]"'
    )
    assert found.stdout == ""


def test_the_kernel_keeps_to_itself(machine: LabMachine) -> None:
    wanted = {
        "kernel.kptr_restrict": "2",
        "kernel.dmesg_restrict": "1",
        "kernel.unprivileged_bpf_disabled": "1",
        "kernel.kexec_load_disabled": "1",
        "kernel.yama.ptrace_scope": "2",
        "kernel.sysrq": "0",
        "fs.suid_dumpable": "0",
        "net.ipv4.conf.all.rp_filter": "1",
        "net.ipv4.ip_forward": "0",
    }
    shown = machine.run(f"sysctl {' '.join(wanted)}", check=True).stdout
    assert dict(line.split(" = ") for line in shown.splitlines()) == wanted


def test_user_namespaces_stay_on_for_the_sandbox(machine: LabMachine) -> None:
    assert int(machine.run("sysctl -n user.max_user_namespaces").stdout) > 0


def test_the_image_holds_no_secret(machine: LabMachine) -> None:
    found = machine.run(
        "grep -rlIE 'BEGIN [A-Z ]*PRIVATE KEY|sk-ant-|AKIA[0-9A-Z]{16}' "
        "/etc /usr/share/meso /usr/lib/systemd /usr/local/lib/python3.13/dist-packages/meso_*"
    )
    assert (found.status, found.stdout) == (1, "")  # 1: grep found nothing


def test_the_console_has_no_login(machine: LabMachine) -> None:
    processes = machine.run("ps -eo comm", check=True).stdout.split()
    assert not {"agetty", "login", "sulogin"} & set(processes)
