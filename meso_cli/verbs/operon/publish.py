"""publish: the owner's side of a registry, on the owner's computer."""

from __future__ import annotations

from meso_cli.output import CliError, Output
from meso_cli.verbs.operon.requests import Publish


def run(request: Publish, output: Output) -> int:
    """Make, rotate, withdraw, publish, sign again; in this order, what was asked for."""
    try:
        from meso_host.registry import publish as publishing  # noqa: PLC0415
        from meso_host.registry.keys import Keys  # noqa: PLC0415
        from meso_host.registry.repository import DAYS, Repository  # noqa: PLC0415
    except ModuleNotFoundError:
        raise CliError(
            "operon.publish_elsewhere",
            "publishing is for the operator's computer: no signing key belongs on an appliance.",
            hint="Run it in the project's tree.",
        ) from None
    phrase = request.passphrase.read_bytes().strip() if request.passphrase else None
    days = {**DAYS, **dict(request.days)}
    repository = Repository(request.registry, Keys(request.keys, phrase), days)
    if request.new:
        repository.create()
    if request.rotate:
        repository.rotate(request.rotate)
    if request.withdraw:
        publishing.withdraw(repository, *request.withdraw)
    done = publishing.publish(repository, [folder.resolve() for folder in request.folders])
    listed = publishing.listed(repository)
    document = {
        "root_sha256": repository.root_sha256(),
        "published": [
            {"name": p.name, "version": p.version, "change": p.change, "sha256": p.sha256}
            for p in done
        ],
        "listed": [f"{entry.head.name} {entry.head.version}" for entry in listed],
    }
    lines = [f"{p.name} {p.version}: {p.change}" for p in done]
    lines.append(f"{len(listed)} versions are listed; serve {request.registry} as static files")
    if request.new:
        lines += [
            f"Keep {request.keys} safe, root.pem best offline. For each appliance:",
            "",
            "[services.operon_loader.registry]",
            'url = "https://WHERE-YOU-SERVE-IT"',
            f'root_sha256 = "{repository.root_sha256()}"',
        ]
    output.result(document, "\n".join(lines))
    return 0
