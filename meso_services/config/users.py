"""Who may log in: users and their public SSH keys. There are no passwords."""

from __future__ import annotations

from meso_services.config.ssh_key import SshKey
from meso_services.runtime.settings import Model, setting, table


class Operator(Model):
    """`[users.operator]`."""

    ssh_keys: tuple[SshKey, ...] = setting(
        (),
        description="Public keys that log in as `operator`, the unprivileged user who runs MESO. "
        "Without any key here or for root, sshd does not start.",
        examples=[["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA… you@laptop"]],
    )


class Root(Model):
    """`[users.root]`."""

    ssh_keys: tuple[SshKey, ...] = setting(
        (),
        description="Public keys that log in as `root`, for administration. Empty: nobody does.",
    )


class Users(Model):
    """`[users]`."""

    operator: Operator = table(Operator, "The user who runs MESO, without privileges.")
    root: Root = table(Root, "The administrator.")

    def keys(self) -> dict[str, tuple[str, ...]]:
        """User → public keys, for every user of the model."""
        return {"operator": self.operator.ssh_keys, "root": self.root.ssh_keys}
