"""Looking at the images: slices, windows, overlays, layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from workstation.actions.action import Action, Scope
from workstation.core.display import Window, WindowPreset, automatic_window
from workstation.core.geometry import Plane, PlaneAxes
from workstation.core.session import Reading

_FAR = 10
_SAMPLED_SLICES = 32


def view_actions(reading: Reading, presets: Sequence[WindowPreset]) -> tuple[Action, ...]:
    """Actions on one reading; all need an open volume and are heard in the image area."""
    return (
        *_slice_actions(reading),
        *_look_actions(reading),
        *(_preset_action(reading, preset) for preset in presets),
    )


def preset_window(reading: Reading, preset: WindowPreset) -> Window | None:
    """Window of a preset for what is open: its numbers, from the pixels, or the header's."""
    if preset.window is not None or reading.volume is None:
        return preset.window
    if preset.id == "header":
        return reading.volume.window
    loaded = np.flatnonzero(reading.volume.available)
    some = loaded[:: max(1, len(loaded) // _SAMPLED_SLICES)]
    return automatic_window(reading.volume.voxels[some]) if len(some) else None


def _slice_actions(reading: Reading) -> tuple[Action, ...]:
    steps = (
        ("view.next_slice", "Next slice", 1, "Down"),
        ("view.previous_slice", "Previous slice", -1, "Up"),
        ("view.forward", f"{_FAR} slices on", _FAR, "Shift+Down"),
        ("view.back", f"{_FAR} slices back", -_FAR, "Shift+Up"),
    )
    return (
        *(
            _on_images(reading, key, text, partial(_scroll, reading, step), shortcut)
            for key, text, step, shortcut in steps
        ),
        _on_images(reading, "view.first_slice", "First slice", partial(_end, reading, 0), "Home"),
        _on_images(reading, "view.last_slice", "Last slice", partial(_end, reading, -1), "End"),
    )


def _look_actions(reading: Reading) -> tuple[Action, ...]:
    return (
        _on_images(reading, "view.overlay", "Overlays: all, few, none", partial(_overlay, reading),
                   "Space"),
        _on_images(reading, "view.invert", "Invert grey values", partial(_invert, reading), "I",
                   checked=lambda: reading.inverted),
        _on_images(reading, "view.crosshair", "Crosshair", partial(_crosshair, reading), "X",
                   checked=lambda: reading.crosshair),
        _on_images(reading, "view.maximise", "Maximise or restore the view",
                   lambda: reading.toggle_maximised(reading.active), "Return",
                   checked=lambda: reading.maximised is not None),
        _on_images(reading, "view.reset", "Fit the views", reading.reset_cameras, "R"),
        _on_images(reading, "view.dismiss", "Leave what is in hand, else fit the views",
                   partial(_dismiss, reading), "Esc"),
    )  # fmt: skip


def _preset_action(reading: Reading, preset: WindowPreset) -> Action:
    def apply() -> None:
        window = preset_window(reading, preset)
        if window is not None:
            reading.window = window

    def enabled() -> bool:
        volume = reading.volume
        return volume is not None and (preset.id != "header" or volume.window is not None)

    size = f" ({preset.window.width:.0f}/{preset.window.center:.0f})" if preset.window else ""
    return Action(
        key=f"window.{preset.id}",
        text=preset.name + size,
        run=apply,
        shortcuts=(preset.key,) if preset.key else (),
        enabled=enabled,
        scope=Scope.IMAGES,
    )


def _on_images(
    reading: Reading,
    key: str,
    text: str,
    run: Callable[[], None],
    *shortcuts: str,
    checked: Callable[[], bool] | None = None,
) -> Action:
    return Action(
        key=key,
        text=text,
        run=run,
        shortcuts=shortcuts,
        enabled=lambda: reading.volume is not None,
        checked=checked,
        scope=Scope.IMAGES,
    )


def _active_plane(reading: Reading) -> Plane:
    plane = reading.active.value
    return plane if isinstance(plane, Plane) else Plane.AXIAL


def _scroll(reading: Reading, slices: int) -> None:
    reading.scroll(_active_plane(reading), slices)


def _end(reading: Reading, index: int) -> None:
    if reading.volume is None:
        return
    plane = _active_plane(reading)
    geometry = reading.volume.geometry
    last = PlaneAxes.of(geometry, plane).count(geometry) - 1
    reading.go_to_slice(plane, last if index < 0 else 0)


def _overlay(reading: Reading) -> None:
    reading.overlay = reading.overlay.next()


def _invert(reading: Reading) -> None:
    reading.inverted = not reading.inverted


def _dismiss(reading: Reading) -> None:
    if reading.drawing is not None:
        reading.drawing = None
    elif reading.tool:
        reading.tool = ""
    elif reading.selected:
        reading.selected = ""
    elif reading.evidence is not None:
        reading.evidence = None
    else:
        reading.reset_cameras()


def _crosshair(reading: Reading) -> None:
    reading.crosshair = not reading.crosshair


