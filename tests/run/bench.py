"""The parts of a run, put together for one step at a time."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from deepspeed.utils import safe_get_full_grad

from model_adapters import adapter_for
from vlrlcd.clock import Clock
from vlrlcd.config import Config, learning_rate
from vlrlcd.engine import Engine
from vlrlcd.group import Group
from vlrlcd.head import token_logps
from vlrlcd.job import Job, prepare
from vlrlcd.loader import GroupLoader, RowCache
from vlrlcd.methods import METHODS, Preference, Step, sample_candidates, sft_step
from vlrlcd.passes import PassLimit
from vlrlcd.prefix_branches import Branches, pack, predicting_states
from vlrlcd.ranking.distribution import Scale
from vlrlcd.ranking.rank import Ranker
from vlrlcd.student import DTYPES, Student


@dataclass
class Bench:
    """A stage of a job, from a checkpoint."""

    config: Config
    stage: str
    checkpoint: Path
    job: Job = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self):
        config = self.config
        self.job = prepare(config)
        adapter = adapter_for(self.checkpoint).load_model(DTYPES[config.model.dtype])
        values = self.stage == "stage2" and METHODS[config.stage2.method].objective.values
        student = Student(adapter, config.model, self.stage == "stage2", config.run.seed, with_values=values)
        self.engine = Engine(student, config, learning_rate(config, self.stage), steps=10)

    def groups(self, step: int = 0) -> list[Group]:
        job, config = self.job, self.config
        size = getattr(config, self.stage).prompts_per_step
        return GroupLoader(
            job.adapter, job.templates, job.train, job.anchors.texts, size, config.run.seed, job.card.check, RowCache()
        ).groups(step)

    def ranker(self) -> Ranker:
        config = self.config
        return Ranker(self.job.templates, config.ranking, config.run.seed, PassLimit.of(config.engine))

    def gradient(self, step: int = 0) -> Step:
        """Everything of a step but the optimiser's move."""
        if self.stage == "stage1":
            return sft_step(self.engine, self.config, self.groups(step), Clock())
        preference, groups = self.preference(), self.groups(step)
        preference.draw(groups, step)
        preference.rank(groups, step)
        return preference.learn(groups, step)

    def preference(self) -> Preference:
        return Preference(self.engine, self.config, self.ranker(), Scale(1.0, 1.0), Clock())

    def step(self, step: int = 0) -> tuple[Step, float]:
        """A whole step, and its gradient's norm."""
        done = self.gradient(step)
        return done, self.engine.step(step)[1]

    def gradients(self) -> dict[str, torch.Tensor]:
        named = self.engine.student.named_parameters()
        return {name: safe_get_full_grad(p).clone() for name, p in named if p.requires_grad}

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: p.detach().clone() for name, p in self.engine.student.named_parameters() if p.requires_grad}

    def answers(self) -> tuple:
        """(batch, branches) of two groups with their candidates."""
        groups = self.groups()[:2]
        sample_candidates(self.engine, self.config, groups, 0, self.config.sampling.candidates)
        branches = pack([[c.tokens for c in group.candidates] for group in groups])
        return self.engine.adapter.collate([group.row for group in groups]), branches


@torch.no_grad()
def logps_of(checkpoint: Path, batch, branches: Branches) -> torch.Tensor:
    """Token log-probs under a plain checkpoint, freshly loaded."""
    adapter = adapter_for(checkpoint).load_model(torch.float32)
    return token_logps(adapter, predicting_states(adapter, batch, branches), branches.target_N)
