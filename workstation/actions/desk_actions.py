"""Opening, reporting, layout and help: what a reader does outside the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workstation.actions.action import Action, Scope


@dataclass(frozen=True)
class Desk:
    """What the actions call; every field does one thing."""

    open_folder: Callable[[], None]
    open_file: Callable[[], None]
    quit: Callable[[], None]
    draft: Callable[[], None]
    ask: Callable[[], None]
    similar: Callable[[], None]
    evidence: Callable[[], None]
    hide_evidence: Callable[[], None]
    shows_evidence: Callable[[], bool]
    save: Callable[[], None]
    sign: Callable[[], None]
    cancel: Callable[[], None]
    show_panel: Callable[[str], None]
    model_windows: tuple[str, ...]
    set_model_window: Callable[[str], None]
    model_window: Callable[[], str]
    close_beside: Callable[[], None]
    toggle_sync: Callable[[], None]
    synchronised: Callable[[], bool]
    reset_layout: Callable[[], None]
    full_screen: Callable[[], None]
    volume_preset: Callable[[], None]
    show_log: Callable[[], None]
    show_keys: Callable[[], None]
    show_about: Callable[[], None]
    has_scan: Callable[[], bool]
    is_busy: Callable[[], bool]
    has_beside: Callable[[], bool]


def desk_actions(desk: Desk) -> tuple[Action, ...]:
    """Tables for the menus File, Report, Layout and Help."""
    return (*_file_actions(desk), *_report_actions(desk), *_layout_actions(desk), *_help(desk))


def _file_actions(desk: Desk) -> tuple[Action, ...]:
    return (
        Action("file.open", "Open folder …", desk.open_folder, ("Ctrl+O",)),
        Action("file.open_file", "Open file …", desk.open_file, ("Ctrl+Shift+O",)),
        Action("file.quit", "Quit", desk.quit, ("Ctrl+Q",)),
    )


def _report_actions(desk: Desk) -> tuple[Action, ...]:
    return (
        Action("report.draft", "Draft report", desk.draft, ("Ctrl+D",), desk.has_scan),
        Action("report.ask", "Ask a question", desk.ask, ("Ctrl+K",)),
        Action("report.similar", "Find similar cases", desk.similar, ("Ctrl+L",), desk.has_scan),
        Action("report.evidence", "Show evidence for the sentence", desk.evidence, ("Ctrl+I",),
               desk.has_scan),
        Action("report.hide_evidence", "Hide the evidence", desk.hide_evidence, ("Esc",),
               desk.shows_evidence, scope=Scope.PANELS),
        Action("report.save", "Save a version", desk.save, ("Ctrl+S",), desk.has_scan),
        Action("report.sign", "Sign the report", desk.sign, ("Ctrl+Shift+S",), desk.has_scan),
        Action("report.cancel", "Cancel what is under way", desk.cancel, ("Ctrl+.",), desk.is_busy),
        *(_model_window(desk, name) for name in desk.model_windows),
    )  # fmt: skip


def _model_window(desk: Desk, name: str) -> Action:
    """Choose the window in which the model sees the scan."""
    told = {"auto": "by body region", "shown": "as on screen"}.get(name, name)
    return Action(
        f"report.window_{name}",
        f"Model window: {told}",
        lambda: desk.set_model_window(name),
        checked=lambda: desk.model_window() == name,
    )


def _layout_actions(desk: Desk) -> tuple[Action, ...]:
    panels = (
        ("series", "F2"), ("report", "F3"), ("ask", "F4"), ("measured", "F5"), ("similar", "F6"),
    )  # fmt: skip
    shown = tuple(
        Action(
            f"layout.{name}",
            f"Show {name}",
            lambda name=name: desk.show_panel(name),  # type: ignore[misc]
            (key,),
        )
        for name, key in panels
    )
    return (
        *shown,
        Action("layout.preset3d", "Next 3D preset", desk.volume_preset, ("Ctrl+3",), desk.has_scan),
        Action(
            "layout.sync", "Scroll the prior along", desk.toggle_sync, ("Ctrl+Y",),
            desk.has_beside, desk.synchronised,
        ),
        Action(
            "layout.close_beside", "Close the prior", desk.close_beside, ("Ctrl+W",),
            desk.has_beside,
        ),
        Action("layout.full_screen", "Full screen", desk.full_screen, ("F11",)),
        Action("layout.reset", "Reset the layout", desk.reset_layout),
    )  # fmt: skip


def _help(desk: Desk) -> tuple[Action, ...]:
    return (
        Action("help.keys", "Keyboard and mouse", desk.show_keys, ("?", "F1")),
        Action("help.log", "Notifications so far", desk.show_log),
        Action("help.about", "About the loaded model", desk.show_about),
    )
