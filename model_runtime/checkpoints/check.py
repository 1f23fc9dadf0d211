"""Whether a checkpoint would load, found out without its weights."""

from __future__ import annotations

from pathlib import Path

from model_runtime.checkpoints.contents import Contents, Layout, read_contents
from model_runtime.errors import WeightsError


def check_folder(folder: Path) -> Contents:
    """Compare configuration, tokenizer, names and shapes of the tensors; imports torch.

    Raises
    ------
    WeightsError
        Where something is missing, damaged or of another model.
    """
    from model_runtime.checkpoints.network import check_fit, check_opens, on_meta
    from model_runtime.siglip import Siglip
    from model_runtime.vlm import Vlm

    contents = read_contents(folder)
    siglip, vlm = contents.siglip, contents.vlm
    if siglip is not None and contents.siglip_tensors is not None:
        check_fit(on_meta(lambda: Siglip(siglip)), contents.siglip_tensors, folder)
    if vlm is not None and contents.vlm_tensors is not None:
        check_fit(on_meta(lambda: Vlm(vlm)), contents.vlm_tensors, folder)
    for path in sorted(contents.paths):
        if path.suffix == ".safetensors":
            check_opens(path)
    return contents


def paired(contents: Contents, contrastive: Contents | None) -> tuple[Contents, ...]:
    """Put a model and its contrastive model together.

    Raises
    ------
    WeightsError
        Where the first writes nothing, the second is not contrastive, or they take
        volumes of different shapes.
    """
    if contents.layout is Layout.CONTRASTIVE:
        raise WeightsError(
            f"{contents.folder} is a contrastive model: it finds similar cases and writes "
            "nothing. Use it beside a vision-language model."
        )
    if contrastive is None or contents.layout is Layout.HOUSE:
        return (contents,)  # ours has one of its own
    if contrastive.layout is not Layout.CONTRASTIVE:
        raise WeightsError(f"{contrastive.folder} is not a contrastive model.")
    if contents.input.shape != contrastive.input.shape:
        raise WeightsError(
            f"{contents.folder.name} takes volumes of {contents.input.shape}, "
            f"{contrastive.folder.name} of {contrastive.input.shape}; they do not belong together."
        )
    return contents, contrastive
