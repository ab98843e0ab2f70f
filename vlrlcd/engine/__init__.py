"""DeepSpeed: initialise, run, step, save, load. All that depends on the ZeRO stage is done here."""

from vlrlcd.engine.engine import Engine
from vlrlcd.engine.settings import deepspeed_settings, zero_stage

__all__ = ["Engine", "deepspeed_settings", "zero_stage"]
