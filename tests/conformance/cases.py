"""Ragged work for every family: rows with no image, one and two; images, prompts and branches of different size.

A text-only family gets the same rows without their images.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from model_adapters import ModelAdapter
from vlrlcd.prefix_branches import Tokens


@dataclass(frozen=True)
class Case:
    """One row: a prompt of chat messages with its images, and token branches after it."""

    messages: list[dict]
    branches: list[Tokens]

    @property
    def images(self) -> list[Image.Image]:
        return [p["image"] for m in self.messages for p in m["content"] if p["type"] == "image"]


def picture(width: int, height: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def ask(text: str, *images: Image.Image) -> list[dict]:
    parts = [{"type": "image", "image": image} for image in images]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def cases_for(adapter: ModelAdapter) -> list[Case]:
    rng = np.random.default_rng(0)
    specials = set(adapter.tokenizer.all_special_ids) | set(adapter.placeholder_ids)
    plain = [i for i in range(len(adapter.tokenizer)) if i not in specials]

    def seen(*images: Image.Image) -> tuple[Image.Image, ...]:
        return images if adapter.sees_images else ()

    def branch(length: int) -> Tokens:
        return tuple(int(i) for i in rng.choice(plain, length))

    shared_start = branch(3)
    return [
        Case(ask("what is red?"), [branch(1), branch(7), branch(4)]),
        Case(ask("what colour is the round thing, and why?", *seen(picture(90, 40, 1))), [branch(5), branch(1)]),
        Case(
            ask("which of the two has more cubes?", *seen(picture(33, 75, 2), picture(120, 120, 3))),
            [shared_start + branch(2), shared_start + branch(6), branch(2), branch(9)],
        ),
    ]


def weights_of(cases: list[Case], row: int) -> torch.Tensor:
    """A weight for every branch token of a row, so that no two tokens pull alike."""
    tokens = sum(len(branch) for branch in cases[row].branches)
    return torch.randn(tokens, generator=torch.Generator().manual_seed(row))
