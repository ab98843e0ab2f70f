"""What a method learns from: how many answers are drawn, what stands in the group, and how it is ranked."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from vlrlcd.anchors.budget import Limits
from vlrlcd.config import RankingConfig, SamplingConfig
from vlrlcd.engine import Engine
from vlrlcd.errors import UserError
from vlrlcd.group import Candidate, Group, padded
from vlrlcd.judging.judges import Judge
from vlrlcd.judging.verdicts import WON, Game
from vlrlcd.processes import ranks
from vlrlcd.ranking.distribution import Scale
from vlrlcd.ranking.rank import Ranker, Ranking, rank, ranked, score

Rank = Callable[[Engine, Ranker, list[Group], Scale, int], Ranking]


@dataclass(frozen=True)
class Supervision:
    """Attributes:
    rank: (engine, ranker, groups, scale, step) to a `Ranking`; may add to a group's candidates.
    draws_all: K candidates are drawn of each prompt, else one.
    scorer: settings to the scorer that the student ranks with; None: the student is not asked.
    scaled: D is made of margins, whose tau is calibrated.
    judged: the configuration's judge is asked, once per distinct candidate.
    """

    rank: Rank
    draws_all: bool = True
    scorer: Callable[[RankingConfig], str] | None = None
    scaled: bool = False
    judged: bool = False

    def draws(self, sampling: SamplingConfig) -> int:
        """Answers drawn per prompt."""
        return sampling.candidates if self.draws_all else 1


def _own_verdict(engine: Engine, ranker: Ranker, groups: list[Group], scale: Scale, step: int) -> Ranking:
    """r is the student's verdict on its one answer, no reference shown; every answer has something to learn from."""
    g_BK, anchor_B = score(engine, ranker, groups, "assessment")
    return replace(ranked(groups, g_BK, anchor_B, g_BK, scale), rankable_B=torch.ones(len(groups), dtype=torch.bool))


def _anchor_over_sample(engine: Engine, ranker: Ranker, groups: list[Group], scale: Scale, step: int) -> Ranking:
    """The anchor joins the one sample and stands above it; where they are equal there is nothing to prefer."""
    for group in groups:
        anchor = Candidate(group.anchor_tokens, group.anchor, 1, False, group.judge(group.anchor), sampled_logp=None)
        if all(candidate.tokens != anchor.tokens for candidate in group.candidates):
            group.candidates = [anchor, *group.candidates]
    r_BK = padded(torch.tensor([float(i == 0) for group in groups for i in range(len(group.candidates))]), groups, 0.0)
    return ranked(groups, r_BK, torch.ones(len(groups)), r_BK, scale)


def _judge_verdict(engine: Engine, ranker: Ranker, groups: list[Group], scale: Scale, step: int) -> Ranking:
    """r is what the judge says of a candidate beside the anchor: 1 better, a half equal, 0 worse [ours].

    One game, the anchor shown second: a preference for one place shifts all candidates of a group alike, and the
    advantage takes that out.
    """
    games = [Game(group.example, c.text, group.anchor) for group in groups for c in group.candidates]
    won = ranks.asked_once(games, lambda every: _won(ranker.judge, every))
    g_BK = padded(torch.tensor(won), groups, 0.0)
    return ranked(groups, g_BK, torch.full((len(groups),), 0.5), g_BK, scale)


def _won(judge: Judge, games: list[Game]) -> list[float]:
    done = judge.ask(games, Limits(), interruptible=False)
    verdicts = judge.verdicts(games)
    if without := sum(verdict is None for verdict in verdicts):
        why = done.given_up[0][1] if done.given_up else done.stopped
        raise UserError(
            f"{judge.name} gave no verdict on {without} of {len(games)} candidates ({why}); mend that and go on with "
            "--run.resume=true: every verdict that came is kept."
        )
    return [WON[verdict.letter] for verdict in verdicts]


MARGINS = Supervision(rank, scorer=lambda settings: settings.scorer, scaled=True)
OWN_VERDICT = Supervision(_own_verdict, draws_all=False, scorer=lambda settings: "assessment")
ANCHOR_OVER_SAMPLE = Supervision(_anchor_over_sample, draws_all=False)
JUDGE_VERDICT = Supervision(_judge_verdict, judged=True)
