"""How the program ends although background work does not.

Qt aborts the process when a running thread is destroyed, and waits for ever for a pool whose
work hangs on a lost disk. So the program first asks, waits for a moment, and then leaves such
work to the system.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_MILLISECONDS = 500

Ending = Callable[[int], bool]
_ENDINGS: list[Ending] = []


def at_leaving(ending: Ending) -> Ending:
    """Register what ends one kind of work: given milliseconds, it tells whether all ended."""
    _ENDINGS.append(ending)
    return ending


def leave(code: int) -> int:
    """End all background work and return ``code``; where some goes on, exit with it right here.

    To be called last, when everything that must be on disk is.
    """
    if all([ending(_MILLISECONDS) for ending in _ENDINGS]):  # noqa: C419  each one must be asked
        return code
    _LOG.warning("left while background work was still running")
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


# The net under programs and tests that do not call it themselves: an honest failure, no abort.
atexit.register(leave, 1)
