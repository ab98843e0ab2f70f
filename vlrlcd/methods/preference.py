"""A step of stage II: draw, rank, and the gradient of mean loss over rankable groups plus beta times the mean KL."""

from dataclasses import replace

from vlrlcd.clock import Clock
from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group
from vlrlcd.methods.gradient import RolloutGradient
from vlrlcd.methods.rollout import look, sample_candidates
from vlrlcd.methods.step import Step
from vlrlcd.methods.table import METHODS
from vlrlcd.processes import ranks
from vlrlcd.ranking.distribution import Scale
from vlrlcd.ranking.probes import image_gain, order_bias
from vlrlcd.ranking.rank import Ranker, Ranking
from vlrlcd.records import group_record, preference_figures


class Preference:
    """The steps of stage II of a method, each a rollout that is learned from once or several times.

    Attributes:
        ranking: of the last rollout.
        gradient: of the last rollout.
    """

    def __init__(self, engine: Engine, config: Config, ranker: Ranker, scale: Scale, clock: Clock):
        self.engine, self.config, self.ranker, self.scale, self.clock = engine, config, ranker, scale, clock
        self.method = METHODS[config.stage2.method]
        self.ranking: Ranking | None = None
        self.gradient: RolloutGradient | None = None
        self._probed: dict[str, float | None] = {}

    def draw(self, groups: list[Group], step: int) -> None:
        """Candidates of every group."""
        if self.engine.student.looks_once:
            with self.clock("look"):
                look(self.engine, self.config, groups)
        with self.clock("sample"):
            draws = self.method.supervision.draws(self.config.sampling)
            sample_candidates(self.engine, self.config, groups, step, draws)

    def rank(self, groups: list[Group], step: int) -> None:
        """The ranking of candidates that are there."""
        with self.clock("rank"):
            ranker = replace(self.ranker, keeps=self.engine.reads_once)
            self.ranking = self.method.supervision.rank(self.engine, ranker, groups, self.scale, step)
            self.gradient = RolloutGradient(self.engine, self.config, self.method.objective, groups, self.ranking)
        self._probe(groups, step)

    def _probe(self, groups: list[Group], step: int) -> None:
        every, scorer = self.config.ranking.probe_every, self.method.supervision.scorer
        self._probed = {}
        if every and step % every == 0:
            with self.clock("probe"):
                self._probed["image_gain"] = image_gain(self.engine, self.ranker, groups)
                if scorer and scorer(self.config.ranking) == "verdict":
                    self._probed["order_bias"] = order_bias(self.engine, self.ranker, groups)

    def learn(self, groups: list[Group], step: int) -> Step:
        """Adds up the gradient of the ranked rollout."""
        with self.clock("train"):
            supervision, rows = self.method.supervision, zip(groups, self.gradient.add(), strict=True)
            own = [
                group_record(group, self.ranking, b, done, step) for b, (group, done) in enumerate(rows) if group.weight
            ]
            records = ranks.collected(own)
        tokens = sum(candidate["tokens"] for record in records for candidate in record["candidates"])
        beta = self.config.stage2.beta if self.method.objective.keeps_close else 0.0
        judged = {"judged": sum(len(record["candidates"]) for record in records)} if supervision.judged else {}
        return Step(preference_figures(records, beta) | self._probed | judged, records, tokens)
