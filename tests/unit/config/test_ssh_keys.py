"""Which keys are taken is what OpenSSH's own tools make and its server accepts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from meso_services.config.load import loads
from meso_services.config.mistakes import ConfigError, Mistake
from tests.unit.config.test_mistakes import BASE


def generate(folder: Path, *options: str) -> tuple[str, str]:
    """A fresh key pair: public line, private text."""
    path = folder / "key"
    command = ["/usr/bin/ssh-keygen", "-q", "-N", "", "-C", "ann@reef", "-f", str(path), *options]
    subprocess.run(command, check=True)
    return path.with_suffix(".pub").read_text().strip(), path.read_text()


def refusal(key: str) -> Mistake:
    quoted = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    with pytest.raises(ConfigError) as caught:
        loads(BASE + f'[users.operator]\nssh_keys = ["{quoted}"]\n')
    (found,) = caught.value.mistakes
    return found


@pytest.mark.parametrize("options", [("-t", "ed25519"), ("-t", "rsa", "-b", "3072")])
def test_a_fresh_key_is_taken(tmp_path: Path, options: tuple[str, ...]) -> None:
    line, _ = generate(tmp_path, *options)
    appliance = loads(BASE + f'[users.operator]\nssh_keys = ["  {line} "]\n')
    assert appliance.users.operator.ssh_keys == (line,)


def test_a_token_s_key_is_taken() -> None:
    blob = "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAICFo/k5LU8863u66YC9eUO2170QduohPURkQnbLa"
    line = f"sk-ssh-ed25519@openssh.com {blob}/dczAAAABHNzaDo="
    assert loads(BASE + f'[users.root]\nssh_keys = ["{line}"]\n').users.root.ssh_keys == (line,)


@pytest.mark.parametrize("options", [("-t", "ed25519"), ("-t", "rsa", "-m", "PEM")])
def test_a_private_key_raises_the_alarm_and_is_never_shown(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    _, private = generate(tmp_path, *options)
    for text in (private, private.splitlines()[1] if "OPENSSH" in private else private):
        found = refusal(text)
        assert found.code == "config.private_key"
        assert "THIS IS A PRIVATE KEY" in found.message
        assert private.splitlines()[1][:40] not in found.text()


def test_a_private_key_under_any_other_key_is_not_shown_either() -> None:
    text = BASE + 'token = "-----BEGIN PRIVATE KEY-----MIIabcdef"\n'
    with pytest.raises(ConfigError) as caught:
        loads(text)
    assert "MIIabcdef" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        loads('k = "-----BEGIN PRIVATE KEY-----MIIabcdef')
    assert "MIIabcdef" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-t", "rsa", "-b", "2048"), "2048 bits, which is weak"),
        (("-t", "ecdsa"), "sshd does not take"),
    ],
)
def test_a_key_that_sshd_refuses_is_refused_here(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    line, _ = generate(tmp_path, *options)
    assert says in refusal(line).message


def test_a_key_cut_off_at_any_place_is_refused(tmp_path: Path) -> None:
    """Cut inside the base64, which is how keys break when they are copied."""
    line, _ = generate(tmp_path, "-t", "ed25519")
    start, end = len("ssh-ed25519 "), line.rindex(" ")
    for cut in range(start, end):
        assert refusal(line[:cut]).code == "config.value"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda line: f'from="10.0.0.1" {line}', "known key type"),
        (lambda line: line.replace("ssh-ed25519", "ssh-rsa"), "the key inside says"),
        (lambda line: f"{line}\n{line}", "line break"),
        (lambda line: line.split(" ")[1], "known key type"),
        (lambda line: line.replace("AAAA", "AA*A", 1), "not base64"),
        (lambda line: "ssh-dss AAAAB3NzaC1kc3M=", "sshd does not take"),
        (lambda line: "", "known key type"),
    ],
)
def test_what_is_no_plain_key_line_is_refused(tmp_path: Path, change: object, says: str) -> None:
    line, _ = generate(tmp_path, "-t", "ed25519")
    assert callable(change)
    assert says in refusal(change(line)).message
