"""`python3 -I -m meso_services.generation`: render one generation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from meso_services.config.load import load
from meso_services.config.mistakes import ConfigError
from meso_services.generation.genome import GenomeError
from meso_services.generation.manifest import Label
from meso_services.generation.write import generation, write


def main(arguments: list[str]) -> int:
    """Return 0, or 1 after a message on stderr; nothing is left behind then."""
    options = _parser().parse_args(arguments)
    try:
        appliance = load(options.config)
        label = Label(options.name or appliance.hostname, options.counter, options.epoch)
        files = generation(appliance, options.genome, label)
        write(files, options.out, options.epoch)
    except (ConfigError, GenomeError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or options.out}: {error.strerror or error}")
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m meso_services.generation",
        description="Render configuration and genome into one generation's directory.",
    )
    parser.add_argument("--config", type=Path, required=True, help="the appliance's TOML file")
    parser.add_argument("--genome", type=Path, required=True, help="the genome's directory")
    parser.add_argument("--out", type=Path, required=True, help="directory to make")
    parser.add_argument("--epoch", type=int, required=True, help="time stamp, seconds since 1970")
    parser.add_argument("--name", help="name of the configuration (default: its hostname)")
    parser.add_argument("--counter", type=int, default=0, help="number of the generation")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
