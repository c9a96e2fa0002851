"""The command `mind`, which is `meso mind`."""

from __future__ import annotations

import sys

from meso_cli.__main__ import main as meso


def main() -> int:
    """Run it; the exit status."""
    return meso(["mind", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
