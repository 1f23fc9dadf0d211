"""The one window: images in the middle, docks around them, a strip below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeySequence,
)
from PySide6.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from workstation.actions.action import Action, Scope
from workstation.core.study import Series
from workstation.ui.notifications import Notifications
from workstation.ui.status_strip import StatusStrip
from workstation.ui.tool_bar import ToolsBar, icon_of

_MENUS = ("file", "worklist", "view", "measure", "window", "report", "pacs", "layout", "help")
_TITLES = {"pacs": "PACS"}
_RIGHT = ("report", "ask", "similar", "measured")
_DOCK_AREAS = {
    "series": Qt.DockWidgetArea.LeftDockWidgetArea,
    "report": Qt.DockWidgetArea.RightDockWidgetArea,
    "ask": Qt.DockWidgetArea.RightDockWidgetArea,
    "similar": Qt.DockWidgetArea.RightDockWidgetArea,
    "measured": Qt.DockWidgetArea.RightDockWidgetArea,
    "pacs": Qt.DockWidgetArea.BottomDockWidgetArea,
}
_HIDDEN_AT_FIRST = ("pacs",)


class MainWindow(QMainWindow):
    """Holds the parts; decides nothing.

    Signals
    -------
    dropped(list of Path)
        Files and folders dropped anywhere on the window.
    closing()
        The window is about to close.
    """

    dropped = Signal(object)
    closing = Signal()

    def __init__(self, images: QWidget, panels: dict[str, QWidget], state: QSettings) -> None:
        super().__init__()
        self.state = state
        self.setWindowTitle("Tomoscribe")
        self.setAcceptDrops(True)
        self.strip = StatusStrip()
        self._images = images
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._pages = QStackedWidget()
        self._page_names = {"images": images}
        self._beside: QByteArray | None = None  # docks, while another page than the images shows
        self._pages.addWidget(images)
        column.addWidget(self._pages, 1)
        self.setCentralWidget(middle)
        self.docks = {name: self._dock(name, panel) for name, panel in panels.items()}
        self._stack_right_docks()
        bottom = QToolBar("Status")
        bottom.setObjectName("status")
        bottom.setMovable(False)
        bottom.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.strip.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        bottom.addWidget(self.strip)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bottom)
        self._tool_bar = ToolsBar()
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, self._tool_bar)
        self._menus: dict[str, QMenu] = {}
        self._actions: list[tuple[Action, QAction]] = []
        self.notifications = Notifications(self)
        self.may_close: Callable[[], bool] = lambda: True
        self.resize(1360, 760)

    def _dock(self, name: str, panel: QWidget) -> QDockWidget:
        dock = QDockWidget(_TITLES.get(name, name.capitalize()), self)
        dock.setObjectName(name)
        panel.setMinimumWidth(250 if name == "series" else 300)
        dock.setWidget(panel)
        self.addDockWidget(_DOCK_AREAS[name], dock)
        dock.setVisible(name not in _HIDDEN_AT_FIRST)
        return dock

    def _stack_right_docks(self) -> None:
        """Report, Ask, Similar and Measured are tabs of one column, Report in front."""
        right = [self.docks[name] for name in _RIGHT if name in self.docks]
        for first, second in pairwise(right):
            self.tabifyDockWidget(first, second)
        if right:
            right[0].raise_()
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        if "series" in self.docks and right:
            self.resizeDocks(
                [self.docks["series"], right[0]], [260, 380], Qt.Orientation.Horizontal
            )

    def set_actions(self, actions: Sequence[Action]) -> None:
        """Make menus, tool bar and shortcuts from the tables."""
        for action in actions:
            self._add(action)
        self._tool_bar.fill(self._actions, self._menu("window"))

    def _add(self, action: Action) -> None:
        made = QAction(action.text, self)
        made.setObjectName(action.key)
        made.triggered.connect(lambda _checked=False, run=action.run: self._run(run))
        made.setShortcuts([QKeySequence(text) for text in action.shortcuts])
        if action.checked is not None:
            made.setCheckable(True)
        picture = icon_of(action)
        if picture is not None:
            made.setIcon(picture)
            hint = f"  ({action.shortcut})" if action.shortcut else ""
            made.setToolTip(action.text + hint)
        if action.scope is Scope.IMAGES:
            made.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            self._images.addAction(made)
        elif action.scope is Scope.PANELS:
            made.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            for dock in self.docks.values():
                dock.addAction(made)
        self._menu(action.key.split(".")[0]).addAction(made)
        self._actions.append((action, made))

    def _menu(self, name: str) -> QMenu:
        """Menu of a group, made in the fixed order of the menu bar."""
        if not self._menus:
            for known in _MENUS:
                title = _TITLES.get(known, known.capitalize())
                self._menus[known] = self.menuBar().addMenu(f"&{title}")
        return self._menus[name]

    def _run(self, run: object) -> None:
        if callable(run):
            run()
        self.refresh_actions()

    def refresh_actions(self) -> None:
        """Bring every action's enabled and checked state up to date."""
        for action, made in self._actions:
            made.setEnabled(action.enabled())
            if action.checked is not None:
                made.setChecked(action.checked())

    def show_patient(self, series: Series | None) -> None:
        """Show whose scan is open at the right of the tool bar."""
        if series is None:
            self._tool_bar.patient.clear()
            return
        who = series.patient
        facts = (who.name, who.age, who.sex, series.study_description, series.day)
        self._tool_bar.patient.setText("  ·  ".join(fact for fact in facts if fact) + "  ")

    def add_page(self, name: str, page: QWidget) -> None:
        """Add what may be shown in the place of the images."""
        self._page_names[name] = page
        self._pages.addWidget(page)

    def show_page(self, name: str) -> None:
        """Show a page, or ``"images"`` again.

        The docks belong to the open study; they stand beside the images only, so that one
        patient's report is never seen beside another's row.
        """
        if self.shows_page(name):
            return
        if self._beside is None:
            self._beside = self.saveState(1)
            for dock in self.docks.values():
                dock.hide()
        self._pages.setCurrentWidget(self._page_names[name])
        self._tool_bar.whose.setVisible(name == "images")
        if name == "images":
            self.restoreState(self._beside, 1)
            self._beside = None
            self._images.setFocus()
        self.refresh_actions()

    def shows_page(self, name: str) -> bool:
        """Whether this page is in front."""
        return self._pages.currentWidget() is self._page_names[name]

    def raise_dock(self, name: str) -> None:
        """Bring a panel to the front, beside the images."""
        self.show_page("images")
        self.docks[name].show()
        self.docks[name].raise_()

    def remember(self) -> None:
        """Keep size, docks and layout for the next start."""
        self.state.setValue("geometry", self.saveGeometry())
        self.state.setValue("docks", self._beside or self.saveState(1))

    def recall(self) -> None:
        """Take up the last size and docks, where they were kept."""
        geometry, docks = self.state.value("geometry"), self.state.value("docks")
        if geometry is not None:
            self.restoreGeometry(geometry)
        if docks is not None:
            self.restoreState(docks, 1)

    def reset_layout(self) -> None:
        """Put every dock back where it was at first."""
        self.show_page("images")
        for name, dock in self.docks.items():
            dock.setFloating(False)
            self.addDockWidget(_DOCK_AREAS[name], dock)
            dock.setVisible(name not in _HIDDEN_AT_FIRST)
        self._stack_right_docks()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell which files and folders were dropped."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep the layout and let the parts end, unless something typed is not on disk."""
        if not self.may_close():
            event.ignore()
            return
        self.remember()
        self.closing.emit()
        event.accept()
