"""Which model is loaded: the one the settings name, else the one in use of those installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workstation.settings import RESOURCES, Settings

if TYPE_CHECKING:
    from model_runtime.checkpoints.store import ModelStore

BUNDLED = "demo"


def model_store(settings: Settings) -> ModelStore:
    """Open the store of installed models, with the bundled demonstration model."""
    # Not needed before the window is there.
    from model_runtime.checkpoints.store import ModelStore

    return ModelStore(settings.data_folder / "models", {BUNDLED: RESOURCES / "models" / BUNDLED})


def chosen_model(settings: Settings) -> tuple[Path, Path | None]:
    """Folders of the model and of its contrastive model, if that lies in a folder of its own.

    A model_folder that a user has set comes before what was chosen with ``tomoscribe model
    use``.
    """
    if "model_folder" in settings.model_fields_set:
        return settings.model_folder, settings.contrastive_folder
    model, contrastive = model_store(settings).chosen_folders()
    return model, contrastive or settings.contrastive_folder


def choice_notices(settings: Settings) -> tuple[str, ...]:
    """Say what the reader must know of the choice: that the chosen model is gone."""
    if "model_folder" in settings.model_fields_set or not model_store(settings).choice().lost:
        return ()
    return (
        "The model that was chosen is not there any more; the bundled demonstration model "
        "is used. Choose another with: tomoscribe model use NAME.",
    )
