"""DeepSpeed: initialise, run, step, save, load. The only room that knows the word ZeRO."""

from vlrlcd.engine.engine import Engine
from vlrlcd.engine.settings import deepspeed_settings

__all__ = ["Engine", "deepspeed_settings"]
