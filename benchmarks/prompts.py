"""The questions and images of a workload, the same for every side."""

import io
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.workloads import Workload
from model_adapters import ModelAdapter, PromptRow, adapter_for
from vlrlcd.data.card import Card
from vlrlcd.data.encode import encode
from vlrlcd.data.example import Example
from vlrlcd.data.prompts import Templates

ANCHOR = "it is a blue cube"
TEMPLATES = {
    "student": "{{ images }}{{ question }}{% if reference is defined %} {{ reference }}{% endif %}",
    "judge": "{{ images }}{{ question }} {{ anchor }} {{ candidate }} Yes or No?",
    "teacher": "{{ images }}{{ question }}",
    "direct": "{{ images }}{{ question }}",
}


class Prompts:
    """Examples with their messages, and the adapter that encodes them, still without weights."""

    def __init__(self, workload: Workload, folder: Path):
        """Writes the processor and the configuration of the workload into the folder, and reads them as a run does."""
        self.workload = workload
        config, processor = workload.build(workload.decoder, workload.tower, workload.side)
        config.architectures = ["Random"]
        config.save_pretrained(folder)
        processor.save_pretrained(folder)
        self.adapter: ModelAdapter = adapter_for(str(folder))
        self.templates = _templates(folder)
        self.question = self._long_enough()
        self.examples = self._examples(self.question)

    @cached_property
    def messages(self) -> list[list[dict]]:
        return [self.templates.render("student", example) for example in self.examples]

    def rows(self) -> list[PromptRow]:
        """Decoded and tokenised anew."""
        return [encode(self.adapter, messages) for messages in self.messages]

    @cached_property
    def tokens(self) -> int:
        """Of each prompt, its image's included."""
        return len(self.rows()[0].ids)

    def _long_enough(self) -> str:
        """Words until the prompt has as many tokens of text as the workload says."""
        words = ""
        while True:
            row = encode(self.adapter, self.templates.render("student", self._examples(words)[0]))
            if len(row.ids) - row.image_tokens >= self.workload.text_tokens:
                return words
            words += " x"

    def _examples(self, question: str) -> list[Example]:
        return [
            Example(f"prompt {number}", f"benchmark, row {number}", _noise(self.workload.side, number), question)
            for number in range(self.workload.prompts)
        ]


def _templates(folder: Path) -> Templates:
    home = folder / "templates"
    home.mkdir(exist_ok=True)
    for name, text in TEMPLATES.items():
        (home / f"{name}.jinja").write_text(text)
    return Templates(Card(home, "benchmark", "ours", "drawn", "multiple_choice", "{split}.jsonl"))


def _noise(side: int, seed: int) -> tuple[bytes, ...]:
    if not side:
        return ()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(png := io.BytesIO(), "PNG")
    return (png.getvalue(),)
