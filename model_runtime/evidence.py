"""Where in the scan a sentence comes from, and whether it comes from there at all.

Grounding is the sentence's log-likelihood per token with the image less that without. Heat
maps come from gradients at the encoder's last two hidden states: of the contrastive model's
similarity between sentence and volume where that model is there, else of the log-likelihood.

What was measured on the demonstration model stands beside each number here;
``tests/benchmarks/evidence.py`` prints it anew.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from model_runtime import api
from model_runtime.evidence_maps import (
    Focus,
    focus_of,
    grad_cam,
    heat_map,
    place_of,
)
from model_runtime.evidence_words import Told, Words, told_tokens
from model_runtime.preprocess import ModelInput
from model_runtime.siglip import Siglip
from model_runtime.similarity import FINEST, Similarity, finite, similarity_maps
from model_runtime.vlm import Vlm
from model_runtime.weights import LoadedModel

GROUNDED_NATS = 0.2
"""Least gain by the image, in nats per token, that counts as grounded: e^0.2, so each token
a fifth likelier.

Chosen on phantoms of an earlier demonstration model, whose tokens were words. With the one that
is bundled, whose tokens are phrases, 75 % of 103 sentences on findings that are there reach it,
30 % of 214 true stock phrases (a denial follows from the image, too), 40 % of 97 sentences on
findings of another case, and all 21 that the model invented itself (40 phantoms from seed
200200). So "not grounded" says that the image had no part in a sentence; "grounded" does not
say that it is true.
"""

FOCUSED_EXCESS = 0.5
"""Least :attr:`model_runtime.evidence_maps.Focus.excess` that counts as one place.

Chosen with :data:`MATCHED`. Without the contrastive model the strongest cell is more often wrong
than right, and no measure of focus told which: such a map is never called localised. The maps of
the similarity have 108 cells here; whether the number suits the 2048 of the published size is not
known, since no published weights could be tried.
"""

MATCHED = 0.1
"""Least :attr:`model_runtime.similarity.Similarity.match` of a sentence that has a place.

A map is as focused for a finding that is not there. In the 150 validation phantoms from seed
100000, of 403 sentences on findings of more than 15 mm 83 % are focused, and of 420 on a finding
of another case and a kind that the case has not, 62 %. Of those that match as well, 55 and 2.4 %
are left, and of the 55 % the strongest cell touches the finding in 95.5 % (of all 403 in 88 %, a
cell at random in 12 %). At 0 it is 70 and 12.9 %, at 0.2 31 and 0.2 %. Not known for the published
size either.
"""

_SEEN = 3, 4
"""Stages whose hidden states the language model sees."""


def explain(  # noqa: PLR0917
    model: LoadedModel,
    states: tuple[Tensor, Tensor],
    ready: ModelInput,
    words: Words,
    similarity: Similarity | None,
    check: Callable[[], None],
) -> api.Evidence:
    """Look for the evidence of a sentence.

    With ``similarity`` the decoder runs forward twice and never backward; without, forward
    twice and backward once. Weights get no gradient, and neither way takes longer than about
    one pass of the whole model. No encoder runs but the contrastive one's last two stages.

    Parameters
    ----------
    states : tuple of Tensor, each of shape (1, tokens, channels)
        The vision-language encoder's last two hidden states of ``ready``.
    check
        Raises where the request was cancelled; asked before each pass.

    Raises
    ------
    UnanswerableError
        For an empty sentence, and words that are too long.
    NotANumberError
        Where the model's numbers broke down.
    """
    ids, count = told_tokens(model, words)
    with torch.inference_mode(False):
        check()
        if similarity is None:
            gain, maps = _by_likelihood(model.vlm, states, ready, (ids, count), check)
        else:
            gain = _grounding(model.vlm, states, (ids, count), check)
            check()
            maps = _by_similarity(model.siglip, similarity, ready)
    return _outcome(maps, gain, ready, None if similarity is None else similarity.match)


def mean_log_likelihood(vlm: Vlm, image: Tensor, told: Told) -> Tensor:
    """Natural-log likelihood per token of the last ``told[1]`` tokens behind the image.

    ``image`` is what :meth:`model_runtime.vlm.Vlm.project` makes, of one volume.

    Raises
    ------
    NotANumberError
        Where it is not finite.
    """
    ids, count = told
    embeddings = torch.cat((image, vlm.embed_ids(ids)), dim=1)
    state = vlm.model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
    # The head runs over the target only: over a whole report it would be the largest tensor.
    rows = vlm.lm_head(state[:, -count - 1 : -1])[0].float().log_softmax(dim=-1)
    chosen = torch.tensor(ids[-count:], device=rows.device)
    value: Tensor = rows.gather(1, chosen[:, None]).mean()
    return finite(value)


def without_image(vlm: Vlm, image: Tensor) -> Tensor:
    """Image tokens that tell nothing: zeros in the same places.

    On 40 phantoms of the demonstration model the gain over zeros is larger for a finding that is
    there than for one of another case 79 times in 100; over an encoding of nothing but air 78
    times, over the image's own mean token 70, over the mean hidden state of many scans 68, and
    where the tokens are left out 73.
    """
    kept = int(vlm.config.prompt.drops_first_text_token)
    return torch.cat((image[:, :kept], torch.zeros_like(image[:, kept:])), dim=1)


def _grounding(
    vlm: Vlm, states: tuple[Tensor, Tensor], told: Told, check: Callable[[], None]
) -> float:
    """Gain by the image in nats per token: two forward passes of the decoder."""
    with torch.no_grad():
        image = vlm.project(*states)
        seen = mean_log_likelihood(vlm, image, told)
        check()
        return float(seen - mean_log_likelihood(vlm, without_image(vlm, image), told))


def _by_likelihood(
    vlm: Vlm,
    states: tuple[Tensor, Tensor],
    ready: ModelInput,
    told: Told,
    check: Callable[[], None],
) -> tuple[float, tuple[api.HeatMap, ...]]:
    """Gain by the image and Grad-CAM of the log-likelihood: two passes forward, one back."""
    seen, image, gradients = likelihood_gradients(vlm, states, told, check)
    check()
    with torch.no_grad():
        blind = mean_log_likelihood(vlm, without_image(vlm, image), told)
    maps = tuple(
        heat_map(grad_cam(state[0].float(), gradient[0]), ready, stage)
        for state, gradient, stage in zip(states, gradients, _SEEN, strict=True)
    )
    return seen - float(blind), maps


def likelihood_gradients(
    vlm: Vlm, states: tuple[Tensor, Tensor], told: Told, check: Callable[[], None]
) -> tuple[float, Tensor, tuple[Tensor, Tensor]]:
    """Log-likelihood per token, image tokens, and its gradient at both hidden states."""
    with torch.inference_mode(False), torch.enable_grad():
        low, high = (state.detach().clone().float().requires_grad_() for state in states)
        image = vlm.project(low, high)
        value = mean_log_likelihood(vlm, image, told)
        check()
        gradients = torch.autograd.grad(value, (low, high))
    found = float(value.detach())
    return found, image.detach(), (finite(gradients[0]), finite(gradients[1]))


def _by_similarity(
    siglip: Siglip, similarity: Similarity, ready: ModelInput
) -> tuple[api.HeatMap, ...]:
    z, y, x = ready.grey.shape
    maps = similarity_maps(siglip, similarity.finest, similarity.contrast, (z, y, x))
    return tuple(heat_map(one, ready, FINEST + place) for place, one in enumerate(maps))


def has_place(match: float, focus: Focus) -> bool:
    """Tell whether a sentence fits the scan, and its map lies in one place."""
    return match >= MATCHED and focus.excess >= FOCUSED_EXCESS


def _outcome(
    maps: tuple[api.HeatMap, ...], gain: float, ready: ModelInput, match: float | None
) -> api.Evidence:
    """Judge maps and gain, and say it; ``match`` is None without a contrastive model."""
    grounded = gain >= GROUNDED_NATS
    focus = focus_of(maps[0].values)
    localised = grounded and match is not None and has_place(match, focus)
    if localised:
        z, y, x = ready.grey.shape
        depth, height, width = maps[0].cell_mm
        place = place_of(focus.cell, (z, y, x), FINEST)
        note = (
            f"Strongest {place}; nothing finer is known than cells of "
            f"{width:.0f} × {height:.0f} × {depth:.0f} mm (left-right, front-back, height)."
        )
    else:
        note = "The model's evidence is not localised."
    if not grounded:
        note += " The image hardly makes this wording likelier: it may be said from habit."
    elif match is None:
        note += " Without its contrastive model it is too seldom right about the place."
    elif match < MATCHED:
        note += " Its contrastive model does not find that this wording fits the scan."
    return api.Evidence(maps, localised, gain, grounded, note)
