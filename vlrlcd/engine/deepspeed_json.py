"""A user's DeepSpeed JSON by itself: read, and refused where DeepSpeed would pass over it or stumble late."""

import json
import os
from collections.abc import Iterable, Iterator
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from deepspeed.ops.op_builder import AsyncIOBuilder
from deepspeed.runtime.config import DeepSpeedConfig
from deepspeed.runtime.precision_config import DeepSpeedBF16Config, DeepSpeedFP16Config
from deepspeed.runtime.zero.config import DeepSpeedZeroConfig
from deepspeed.runtime.zero.offload_config import DeepSpeedZeroOffloadOptimizerConfig, DeepSpeedZeroOffloadParamConfig
from pydantic import ValidationError

from vlrlcd.errors import UserError

SHIPPED = Path(__file__).parents[2] / "configs/deepspeed"
LEAST = {"train_micro_batch_size_per_gpu": 1}
"""What DeepSpeed does not do without."""
MODELS = {
    "zero_optimization": DeepSpeedZeroConfig,
    "zero_optimization.offload_optimizer": DeepSpeedZeroOffloadOptimizerConfig,
    "zero_optimization.offload_param": DeepSpeedZeroOffloadParamConfig,
    "bf16": DeepSpeedBF16Config,
    "fp16": DeepSpeedFP16Config,
}
"""Sections whose keys a misspelt one is compared with."""


def read_deepspeed_json(path: Path) -> dict:
    """The file's content, without the "auto"s of `zero_optimization`, for which DeepSpeed has defaults of its own.

    Raises:
        UserError: the file cannot be read, holds a key that DeepSpeed does not know, or a ZeRO that cannot be.
    """
    settings = _read(path)
    if unknown := [f"'{key}'{_nearest(key, known_keys())}" for key in settings if key not in known_keys()]:
        raise UserError(f"{path}: DeepSpeed knows no key {', '.join(unknown)}: correct it or leave it out.")
    if not isinstance(settings.get("zero_optimization", {}), dict):
        raise UserError(f'{path}: zero_optimization must be a section like {{"stage": 2}}.')
    if section(settings, "zero_optimization").get("stage") == "auto":
        raise UserError(f'{path}: zero_optimization.stage="auto" would mean no ZeRO; write 0, 1, 2 or 3.')
    zero = {key: value for key, value in section(settings, "zero_optimization").items() if value != "auto"}
    _check_zero(zero, path)
    return {**settings, "zero_optimization": zero}


def check_sections(settings: dict, path: Path) -> None:
    """Has DeepSpeed itself look at every section, which it would otherwise do after the run has begun.

    Raises:
        UserError: a key inside a section that does not exist, or a value that cannot be.
    """
    stage = {"stage": section(settings, "zero_optimization").get("stage", 0)}
    for name, value in settings.items():
        try:
            DeepSpeedConfig({"zero_optimization": stage, **LEAST, name: deepcopy(value)})
        except ValidationError as error:
            raise UserError(f"{path}: {'; '.join(_said(error, name))}: correct it or leave it out.") from None
        # it has no other purpose than to judge the file, so whatever goes wrong is the file's fault
        except Exception as error:
            raise UserError(
                f"{path}: DeepSpeed cannot take '{name}' as it stands ({error}): correct it or leave it out."
            ) from None


@cache
def known_keys() -> frozenset[str]:
    """The keys that DeepSpeed's configuration asks a JSON for; it keeps no list of them."""
    asked = _Asked(LEAST)
    DeepSpeedConfig(asked)
    # this one is asked for only in a process group
    return frozenset({*asked.names, "sequence_parallel_size"})


def section(settings: dict, key: str) -> dict:
    """The section under a key; empty if there is none."""
    found = settings.get(key)
    return found if isinstance(found, dict) else {}


class _Asked(dict):
    """A dict that notes which keys are looked for."""

    def __init__(self, content: dict):
        super().__init__(content)
        self.names: set[str] = set()

    def get(self, key, default=None):
        self.names.add(key)
        return super().get(key, default)

    def __contains__(self, key):
        self.names.add(key)
        return super().__contains__(key)

    def keys(self):
        return self


def _read(path: Path) -> dict:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shipped = ", ".join(sorted(file.name for file in SHIPPED.glob("*.json")))
        raise UserError(f"engine.deepspeed: {path} does not exist; {os.path.relpath(SHIPPED)} has {shipped}.") from None
    # ValueError: not JSON, or not even UTF-8
    except (OSError, ValueError) as error:
        raise UserError(f"engine.deepspeed: {path} cannot be read as JSON ({error}).") from None
    if not isinstance(settings, dict):
        raise UserError(f"engine.deepspeed: {path} must hold a JSON object, but holds a {type(settings).__name__}.")
    return settings


def _check_zero(zero: dict, path: Path) -> None:
    stage = zero.get("stage", 0)
    if "stage" in zero and stage not in (0, 1, 2, 3):
        raise UserError(f"{path}: zero_optimization.stage is {stage!r}; it must be 0, 1, 2 or 3.")
    check_sections({"zero_optimization": zero}, path)
    if (groups := zero.get("zero_hpz_partition_size", 1)) not in (0, 1):
        raise UserError(
            f"{path}: zero_optimization.zero_hpz_partition_size={groups} would end the run between its two stages, "
            "because DeepSpeed forms these groups only once: leave it out."
        )
    for key, needed in (("offload_optimizer", 1), ("offload_param", 3)):
        where = section(zero, key)
        if where.get("device", "none") != "none" and stage < needed:
            raise UserError(f"{path}: zero_optimization.{key} needs ZeRO stage {needed} or more, not {stage}.")
        if where.get("device") == "nvme" and not os.access(where.get("nvme_path") or "", os.W_OK):
            raise UserError(
                f"{path}: zero_optimization.{key}.nvme_path={where.get('nvme_path')!r} must be a folder on a local "
                "disk that can be written to."
            )
        if where.get("device") == "nvme" and not AsyncIOBuilder().is_compatible(verbose=False):
            raise UserError(
                f"{path}: zero_optimization.{key}.device=nvme needs the library libaio with its headers; install it "
                "(apt-get install libaio-dev) or offload to the cpu."
            )


def _said(error: ValidationError, name: str) -> Iterator[str]:
    for fault in error.errors():
        where = ".".join([name, *map(str, fault["loc"])])
        within, _, key = where.rpartition(".")
        value = f"={json.dumps(fault['input'])}" if isinstance(fault["input"], str | int | float) else ""
        if fault["type"] == "extra_forbidden":
            yield f"DeepSpeed knows no key '{where}'{_nearest(key, _keys_of(within))}"
        else:
            yield f"{where}{value} cannot be ({fault['msg']})"


def _keys_of(within: str) -> list[str]:
    fields = MODELS[within].model_fields if within in MODELS else {}
    return [field.alias or name for name, field in fields.items()]


def _nearest(key: str, known: Iterable[str]) -> str:
    near = get_close_matches(key, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""
