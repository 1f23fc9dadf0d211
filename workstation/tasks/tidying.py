"""Garbage is collected in the GUI's thread only.

Python looks for garbage in whichever thread happens to make the next object, and destroys there
what it finds. A closed dialog is such garbage: destroyed in the model's thread, it takes the
program down. So the automatic search is off, and a timer of the GUI's thread does it.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer, Slot

_EVERY_MILLISECONDS = 1000
_WHOLE_EVERY = 30


class Tidying(QObject):
    """Collects garbage while the event loop runs, in the thread that it lives in.

    Young objects are looked through every second, if there are many new ones; all of them twice
    a minute, so that the memory of a model that was unloaded is free again soon.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        gc.disable()
        self._ticks = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tidy)
        self._timer.start(_EVERY_MILLISECONDS)

    @Slot()
    def _tidy(self) -> None:
        self._ticks += 1
        if self._ticks % _WHOLE_EVERY == 0:
            gc.collect()
            return
        counts, limits = gc.get_count(), gc.get_threshold()
        for generation in (1, 0):
            if counts[generation] > limits[generation]:
                gc.collect(generation)
                return
