"""Stage II. A method is a pair (supervision, objective): `METHODS` in table.py."""

from vlrlcd.methods.preference import Preference
from vlrlcd.methods.rollout import sample_candidates
from vlrlcd.methods.step import Step, sft_step
from vlrlcd.methods.table import METHODS, Method
from vlrlcd.methods.warmup import warm_up

__all__ = ["METHODS", "Method", "Preference", "Step", "sample_candidates", "sft_step", "warm_up"]
