"""A user's DeepSpeed JSON together with the YAML: "auto" values filled, contradictions refused."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlrlcd.config import Config, used_stages
from vlrlcd.engine.deepspeed_json import check_sections, read_deepspeed_json, section
from vlrlcd.errors import UserError

OURS = {
    "optimizer": "AdamW with engine.weight_decay and the rates of stage1 and stage2",
    "scheduler": "a warm-up over engine.warmup and a cosine",
    **dict.fromkeys(("bfloat16", "amp", "torch_autocast"), "model.dtype for the precision"),
    **dict.fromkeys(
        ("gradient_allreduce_op", "managed_gradient_accumulation"), "one denominator for all passes and processes"
    ),
    **dict.fromkeys(("tensor_parallel", "sequence_parallel_size", "pipeline"), "data parallelism only"),
}
"""Sections of a DeepSpeed JSON whose work this project does itself, and what it does."""


def deepspeed_settings(config: Config, processes: int = 1) -> dict:
    """What DeepSpeed is initialised with: the JSON of engine.deepspeed, completed from the configuration.

    Losses carry the denominator of the whole step, over passes and processes, and passes are counted by the caller; so
    DeepSpeed is told of batches of one prompt a process, whatever sizes were checked here.

    Args:
        config: the whole configuration.
        processes: how many train together.

    Raises:
        UserError: the file cannot be read, contradicts the configuration, or asks for something that cannot be.
    """
    path = Path(config.engine.deepspeed)
    settings = read_deepspeed_json(path)
    if clashes := [*_taken(settings), *_contradicted(settings, config, processes)]:
        raise UserError(
            f"{path} contradicts the configuration: {', '.join(clashes)}: leave these keys out of the JSON or make the "
            "two equal."
        )
    if config.model.dtype == "float16" and not zero_stage(settings):
        raise UserError(
            f"{path} says zero_optimization.stage=0, but model.dtype=float16 needs loss scaling, which DeepSpeed "
            "applies from stage 1 on: take configs/deepspeed/zero1.json."
        )
    filled = {
        **settings,
        "train_batch_size": processes,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": config.engine.gradient_clipping,
        "bf16": {**section(settings, "bf16"), "enabled": config.model.dtype == "bfloat16"},
        "fp16": {**section(settings, "fp16"), "enabled": config.model.dtype == "float16"},
        # under offload DeepSpeed would insist on an optimiser of its own, and ours steps on a CPU too
        "zero_force_ds_cpu_optimizer": False,
    }
    if left := _auto_keys(filled):
        raise UserError(f'{path}: nothing here can fill {left[0]}="auto"; give it a value or leave it out.')
    check_sections(filled, path)
    return filled


def zero_stage(settings: dict) -> int:
    """The ZeRO stage of a DeepSpeed JSON."""
    return section(settings, "zero_optimization").get("stage", 0)


def _taken(settings: dict) -> Iterator[str]:
    for key, instead in OURS.items():
        if key in settings:
            yield f"{key} (instead there is {instead})"


def _contradicted(settings: dict, config: Config, processes: int) -> Iterator[str]:
    for key, ours, because in _implied(config, processes):
        theirs = _at(settings, key)
        if theirs not in (None, "auto", ours):
            yield f"{key}={json.dumps(theirs)} ({because} makes it {json.dumps(ours)})"


def _implied(config: Config, processes: int) -> Iterator[tuple[str, Any, str]]:
    """(DeepSpeed key, the value that the configuration implies, the configuration's own key and value)."""
    per_pass, dtype, clipping = config.engine.prompts_per_pass, config.model.dtype, config.engine.gradient_clipping
    steps = {stage: getattr(config, stage).prompts_per_step for stage in used_stages(config)}
    shares = {stage: math.ceil(size / processes) for stage, size in steps.items()}
    yield "gradient_clipping", clipping, f"engine.gradient_clipping={clipping}"
    yield "bf16.enabled", dtype == "bfloat16", f"model.dtype={dtype}"
    yield "fp16.enabled", dtype == "float16", f"model.dtype={dtype}"
    # DeepSpeed means what goes through at once, and a process cannot put through more than its share of a step
    largest = max(shares.values())
    named = f"engine.prompts_per_pass={per_pass} and a largest share of {largest} a process"
    yield "train_micro_batch_size_per_gpu", min(per_pass, largest), named
    for stage, size in steps.items():
        named = f"{stage}.prompts_per_step={size}"
        yield "train_batch_size", size, named
        in_passes = f"{named} in passes of {per_pass} on {processes} process(es)"
        yield "gradient_accumulation_steps", math.ceil(shares[stage] / per_pass), in_passes


def _at(settings: dict, dotted: str) -> Any:
    """The value under a dotted key; "auto" if a whole section is, None if there is none."""
    found: Any = settings
    for key in dotted.split("."):
        found = found.get(key) if isinstance(found, dict) else found
    return found


def _auto_keys(settings: dict, before: str = "") -> list[str]:
    found = [f"{before}{key}" for key, value in settings.items() if value == "auto"]
    for key, value in settings.items():
        found += _auto_keys(value, f"{before}{key}.") if isinstance(value, dict) else []
    return found
