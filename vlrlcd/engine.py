"""DeepSpeed: initialise, run, step, save, load. The only room that knows the word ZeRO."""

import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import deepspeed
import torch
from torch import Tensor

from vlrlcd.config import Config
from vlrlcd.errors import UserError
from vlrlcd.student import Student


def start_distributed() -> None:
    """Joins the process group, of one process if no launcher made one."""
    deepspeed.logger.setLevel("WARNING")
    # DeepSpeed compiles a helper with the first ninja it finds, and every change of ninja compiles it anew
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    defaults = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    deepspeed.init_distributed(verbose=False)


def refuse_several_processes() -> None:
    """Raises UserError in a process that a launcher started beside others."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("training on several processes is not supported yet: use deepspeed --num_gpus 1.")


def learning_rate_at(step: int, steps: int, peak: float, warmup: float) -> float:
    """Linear warm-up, then a cosine to zero; `step` counts from 0."""
    rising = max(1, math.ceil(warmup * steps))
    if step < rising:
        return peak * (step + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


class Engine:
    """A student under DeepSpeed's engine."""

    def __init__(self, student: Student, config: Config, peak_rate: float, steps: int):
        settings = config.engine
        trained = [parameter for parameter in student.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=peak_rate, weight_decay=settings.weight_decay)
        self.student = student
        self.peak_rate, self.steps, self.warmup = peak_rate, steps, settings.warmup
        self._engine, self._optimizer, _, _ = deepspeed.initialize(
            model=student, optimizer=optimizer, config=deepspeed_settings(config)
        )

    @property
    def adapter(self):
        return self.student.adapter

    @property
    def device(self) -> torch.device:
        return torch.device(self._engine.device)

    def run(self, work: str, *inputs) -> Any:
        """One pass through the wrapped module: a method of `Student` by name; tensors move to the device."""
        moved = [value.to(self.device) if hasattr(value, "to") else value for value in inputs]
        return self._engine(work, *moved)

    def backward(self, loss: Tensor, last: bool) -> None:
        """Accumulates the gradient of a loss that already has the step's own denominator; `last` of the step."""
        self._engine.set_gradient_accumulation_boundary(last)
        self._engine.backward(loss, scale_wrt_gas=False)

    def step(self, step: int) -> tuple[float, float]:
        """One optimiser step at the scheduled rate. Returns (learning rate, gradient norm before clipping)."""
        rate = learning_rate_at(step, self.steps, self.peak_rate, self.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        norm = self._plain_norm()
        self._engine.step()
        return rate, float(norm if norm is not None else self._engine.get_global_grad_norm())

    def _plain_norm(self) -> Tensor | None:
        """The norm where DeepSpeed leaves plain gradients: it clips those without telling their norm."""
        gradients = [p.grad for p in self.student.parameters() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients) if gradients else None

    def save(self, folder: Path, tag: str) -> None:
        """Writes a checkpoint to resume from; the last good one stays until this one is whole."""
        partial = f"{tag}.partial"
        shutil.rmtree(folder / partial, ignore_errors=True)
        self._engine.save_checkpoint(folder, tag=partial, save_latest=False, exclude_frozen_parameters=True)
        shutil.rmtree(folder / tag, ignore_errors=True)
        os.replace(folder / partial, folder / tag)

    def close(self) -> None:
        """Frees optimiser and gradients before the next stage builds its own."""
        self._engine.destroy()

    def remove(self, folder: Path, tag: str) -> None:
        """Deletes a checkpoint that a newer one replaced."""
        shutil.rmtree(folder / tag, ignore_errors=True)

    def load(self, folder: Path, tag: str) -> None:
        """Restores weights and optimiser.

        Raises:
            UserError: the checkpoint is gone.
        """
        if not (folder / tag).is_dir():
            raise UserError(f"{folder / tag} is missing: restore it from a copy, or start a new run.")
        self._engine.load_checkpoint(folder, tag=tag, load_module_strict=False)


def deepspeed_settings(config: Config) -> dict:
    """The DeepSpeed JSON with its "auto" values filled from the configuration.

    Raises:
        UserError: the file cannot be read, or asks for something this version does not support.
    """
    path = Path(config.engine.deepspeed)
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"engine.deepspeed: {path} cannot be read as JSON ({error}).") from None
    stage = settings.get("zero_optimization", {}).get("stage", 0)
    if stage not in (0, 1, 2):
        raise UserError(f"{path}: ZeRO stage {stage} is not supported yet; use stage 0, 1 or 2.")
    auto = {
        "train_batch_size": 1,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": config.engine.gradient_clipping,
        "bf16": {"enabled": config.model.dtype == "bfloat16"},
    }
    filled = {key: auto[key] if value == "auto" and key in auto else value for key, value in settings.items()}
    if '"auto"' in json.dumps(filled):
        raise UserError(f'{path}: only {", ".join(auto)} can be "auto"; give the other keys a value or leave them out.')
    return filled
