"""A checkpoint that is only asked: whole on the device of each process, without an optimiser."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from deepspeed.accelerator import get_accelerator

from model_adapters import ModelAdapter, PromptRow
from vlrlcd import sampling, static_sampling
from vlrlcd.config import ModelConfig
from vlrlcd.engine.engine import decodes_statically
from vlrlcd.student import DTYPES

READ = ("*.safetensors", "*.bin", "*config.json", "tokenizer*", "vocab*", "*.model")
"""The files of weights, sizes, tokens and image sizes in a checkpoint's folder."""


class WholeStudent:
    """Answers as `vlrlcd.evaluation.answers.Student`."""

    def __init__(self, adapter: ModelAdapter, settings: ModelConfig, decoding: str = "auto"):
        """Loads the weights.

        Args:
            adapter: of the checkpoint.
            settings: its precision.
            decoding: as `engine.decoding`.

        Raises:
            AdapterError: they are missing or broken.
        """
        self.adapter = adapter.load_model(DTYPES[settings.dtype])
        self.device = torch.device(get_accelerator().current_device_name() if torch.cuda.is_available() else "cpu")
        self.adapter.model.to(self.device).eval()
        self._static = decodes_statically(decoding, self.device, in_step=False)

    def rollout(self) -> AbstractContextManager:
        return nullcontext()

    def sample(
        self, rows: list[PromptRow], settings: sampling.SamplingSettings, uniforms_BKT: np.ndarray, width: int
    ) -> list:
        """K draws per row, `width` rows at a time, see `sampling.sample` and `static_sampling.sample`."""
        if self._static:
            return static_sampling.sample(self.adapter, rows, settings, uniforms_BKT, width)
        drawn = []
        for start in range(0, len(rows), width):
            batch = self.adapter.collate(rows[start : start + width]).to(self.device)
            drawn += sampling.sample(self.adapter, batch, settings, uniforms_BKT[start : start + width])
        return drawn


def files_on_disk(checkpoint: str) -> list[list]:
    """Name, bytes and time of change (ns) of what a checkpoint is read from; empty for a hub id or no name."""
    folder = Path(checkpoint)
    # an evaluation may lie in the same folder
    files = (
        sorted({file for pattern in READ for file in folder.glob(pattern)}) if checkpoint and folder.is_dir() else []
    )
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
