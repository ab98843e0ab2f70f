"""Our step: the engine, the method and the ranker of a run, on groups made by hand."""

import time
from collections import Counter
from pathlib import Path

import torch

from benchmarks.prompts import ANCHOR, Prompts
from benchmarks.workloads import Workload, random_model
from vlrlcd.cli import parse_config
from vlrlcd.clock import Clock
from vlrlcd.config import Config, learning_rate
from vlrlcd.engine import Engine
from vlrlcd.group import Group
from vlrlcd.methods import Preference
from vlrlcd.passes import PassLimit
from vlrlcd.ranking.distribution import Scale
from vlrlcd.ranking.rank import Ranker
from vlrlcd.student import Student

PHASES = {
    "look": "vision",
    "sample": "sample",
    "sample_static": "sample",
    "score_logps": "rank",
    "score_last": "rank",
    "reference_states": "reference",
    "learned": "forward",
}
"""The engine's passes by the names of the table; what is left of a step's learning is the backward pass."""


class OurSide:
    """One student under DeepSpeed, and one step after another.

    Attributes:
        seconds: by phase, of all steps since it was cleared.
        tokens: drawn in the last step; a branch ends early with a chance of 1 / V at every token.
    """

    def __init__(self, prompts: Prompts, folder: Path, device: str):
        self.prompts, self.device = prompts, torch.device(device)
        self.config = settings(prompts.workload, folder)
        self.adapter = prompts.adapter.take(random_model(prompts.adapter.config, device, prompts.workload.dtype))
        student = Student(self.adapter, self.config.model, with_reference=True, seed=0)
        self.engine = Engine(student, self.config, learning_rate(self.config, "stage2"), steps=1000)
        ranker = Ranker(prompts.templates, self.config.ranking, 0, PassLimit.of(self.config.engine))
        self.preference = Preference(self.engine, self.config, ranker, Scale(1.0, 1.0), Clock())
        self.seconds: Counter[str] = Counter()
        self.tokens, self.steps = 0, 0
        self.engine.run = self._timed(self.engine.run)

    def _timed(self, run):
        def timed(work, *inputs):
            with self.phase(PHASES[work]):
                return run(work, *inputs)

        return timed

    def phase(self, name: str) -> "_Phase":
        return _Phase(self.seconds, name, self.device)

    def step(self) -> None:
        """From questions and images to moved weights."""
        with self.phase("encode"):
            rows = self.prompts.rows()
        answer = self.adapter.encode_answer(ANCHOR)
        groups = [Group(e, row, ANCHOR, answer, None) for e, row in zip(self.prompts.examples, rows, strict=True)]
        self.preference.draw(groups, self.steps)
        self.preference.rank(groups, self.steps)
        before = self.seconds["reference"] + self.seconds["forward"]
        with self.phase("learn"):
            self.preference.learn(groups, self.steps)
        passes = self.seconds["reference"] + self.seconds["forward"] - before
        self.seconds["backward"] += self.seconds.pop("learn") - passes
        with self.phase("optimise"):
            self.engine.step(self.steps)
        self.steps += 1
        self.tokens = sum(c.copies * len(c.tokens) for group in groups for c in group.candidates)


class _Phase:
    """Adds the seconds until the device has finished."""

    def __init__(self, seconds: Counter, name: str, device: torch.device):
        self.seconds, self.name, self.device = seconds, name, device

    def __enter__(self):
        wait(self.device)
        self.began = time.perf_counter()

    def __exit__(self, *_):
        wait(self.device)
        self.seconds[self.name] += time.perf_counter() - self.began


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def settings(workload: Workload, folder: Path) -> Config:
    """What both sides are set by: tuning, K, lengths, the weight of the KL."""
    flags = {
        "model.checkpoint": folder,
        "model.dtype": workload.dtype,
        "model.tuning": workload.tuning,
        "model.activation_checkpointing": str(workload.recompute).lower(),
        "data.dataset": "jsonl",
        "data.root": folder,
        "sampling.candidates": workload.candidates,
        "sampling.max_new_tokens": workload.answer_tokens,
        "ranking.scorer": "likelihood",
        "ranking.probe_every": 0,
        "engine.prompts_per_pass": workload.prompts,
    }
    return parse_config("", argv=[f"--{key}={value}" for key, value in flags.items()])
