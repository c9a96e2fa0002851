"""`meso mind`, also as the command `mind`: minds that think in iterations over their own pools."""

from __future__ import annotations

import argparse

from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.verbs.mind import words
from meso_cli.verbs.mind.words import Mind

PAGE = Page(
    text="""
A mind is a directory: its configuration, its thinking pool, its messages, its
clusters, and the record of everything that was done to it. `mind` is the same as
`meso mind`. It works on a directory, which `init` and `open` make the current one
(or --session DIR, or MESO_MIND); with --service it speaks to the mind runner of
the appliance, and the session is a name below /meso/minds.

Models are asked through the appliance's API proxy. Elsewhere --endpoint names a
server (MESO_MIND_ENDPOINT), and the key comes from MESO_MIND_KEY. With --offline
a new mind embeds with the local model.

Ctrl-C during a run ends it after the iteration that is running; a second one ends
it at once and leaves the session at the iteration before (with --service: leaves
the runner to end it). The exit status is then 130.
""",
    examples=(
        ('meso mind init ./garden "Watch the garden."', "make a mind, and tell it something"),
        ("meso mind run", "let it think until it says something"),
        ("meso mind run 10", "exactly ten iterations"),
        ("meso mind message -f prompt.md", "tell it something; also: cat prompt.md | mind message"),
        ("meso mind config --set k_samples=10", "change a setting"),
        ("meso mind cluster status", "what it keeps thinking about"),
        ('meso mind --service init ariel "Hello."', "a mind of the appliance"),
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options and the actions."""
    words.configure(parser)


def parse(arguments: argparse.Namespace) -> Mind:
    """The request."""
    return words.parse(arguments)


def run(request: Mind, output: Output) -> int:
    """Do it on the directory, or ask the service."""
    if request.service:
        from meso_cli.verbs.mind import remote  # noqa: PLC0415 (needs packages)

        return remote.run(request, output)
    from meso_cli.verbs.mind import local  # noqa: PLC0415 (needs packages)

    return local.run(request, output)
