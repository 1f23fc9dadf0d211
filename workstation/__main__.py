"""``python -m workstation`` and ``tomoscribe``."""

from __future__ import annotations

import multiprocessing
import sys

from workstation.cli import run


def main() -> None:
    """Run the command line and leave with its status."""
    multiprocessing.freeze_support()  # a packed program starts itself as its own child
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
