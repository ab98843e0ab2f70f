"""CLIPScore and RefCLIPScore (Hessel et al. 2021) of explanations: is what is said near to what is shown?

As in the authors' code: the prefix `A photo depicts `, 2.5 times the cosine where it is above 0, RefCLIPScore its
harmonic mean with the cosine to the nearest reference. torchmetrics' CLIPScore has neither prefix nor 2.5. A text that
is longer than the model's context is cut; how many were is a figure of its own. CLIP sees objects, not reasons.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from model_adapters.eyes import Grounding
from vlrlcd.data.example import Example
from vlrlcd.data.images import decode
from vlrlcd.progress import progress

PREFIX = "A photo depicts "
WEIGHT = 2.5
AT_ONCE = 64

Scores = dict[str, list[float | None]]


def clip_scores(clip: Grounding, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
    """`clip_score`, `ref_clip_score` and `clip_truncated` of each explanation.

    None for an example without images, or for RefCLIPScore without references; the mean over several images.

    Raises:
        AdapterError: the model cannot be loaded.
    """
    rows: list[tuple[float | None, float | None, float | None]] = []
    for start in progress(range(0, len(examples), AT_ONCE), desc="CLIPScore", unit="batch"):
        rows += _scored(clip, examples[start : start + AT_ONCE], texts[start : start + AT_ONCE])
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    return dict(zip(("clip_score", "ref_clip_score", "clip_truncated"), map(list, columns), strict=True))


def _scored(clip: Grounding, examples: Sequence[Example], texts: Sequence[str]) -> list[tuple]:
    said_BD, cut_B = clip.texts([PREFIX + text for text in texts])
    shown = _by_example([e.images for e in examples], lambda images: clip.images([decode(image) for image in images]))
    written = _by_example(
        [e.rationales for e in examples], lambda texts: clip.texts([PREFIX + text for text in texts])[0]
    )
    return [
        (*_one(said_D, shown_ID, written_RD), float(cut)) if len(shown_ID) else (None, None, None)
        for said_D, cut, shown_ID, written_RD in zip(said_BD, cut_B, shown, written, strict=True)
    ]


def _by_example(items: list[tuple], features: Callable[[list], Tensor]) -> list[Tensor]:
    """Features of everything at once, then split by example; an example with nothing has an empty tensor."""
    flat = [one for own in items for one in own]
    return list((features(flat) if flat else torch.empty(0)).split([len(own) for own in items]))


def _one(said_D: Tensor, shown_ID: Tensor, written_RD: Tensor) -> tuple[float, float | None]:
    score = WEIGHT * (shown_ID @ said_D).clamp(min=0).mean().item()
    if not len(written_RD):
        return score, None
    nearest = (written_RD @ said_D).max().clamp(min=0).item()
    return score, 2 * score * nearest / (score + nearest) if score + nearest else 0.0
