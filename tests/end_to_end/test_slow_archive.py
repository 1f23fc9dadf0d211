"""An archive's server that does not answer never stops the window."""

from __future__ import annotations

import socket
import time
from itertools import pairwise

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from workstation.keeping import Keeping
from workstation.ui.notifications import Notifications


def test_a_report_is_waited_for_off_the_window_s_thread(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        keeping = Keeping(f"postgresql://x@127.0.0.1:{port}/none", Notifications(window))
        ticks = [time.monotonic()]
        timer = QTimer(interval=10)
        timer.timeout.connect(lambda: ticks.append(time.monotonic()))
        timer.start()
        with qtbot.waitSignal(keeping.opened, timeout=20_000) as opened:
            keeping.open("s", "A")
        timer.stop()
    gaps = [later - earlier for earlier, later in pairwise(ticks)]
    assert ticks[-1] - ticks[0] > 3, "the server was waited for"
    assert max(gaps) < 1.0
    assert opened.args[0].load_error is not None
    keeping.journal.close()
