"""Every method trains, from the same loop, and moves the student; what it needs is checked at the start."""

from dataclasses import replace
from unittest.mock import MagicMock

import pytest
import torch

from tests.run.bench import Bench
from tests.run.jobs import config_of, lines
from vlrlcd import losses
from vlrlcd.anchors.collector import Collection
from vlrlcd.errors import UserError
from vlrlcd.group import Candidate
from vlrlcd.judging.rule import RuleJudge
from vlrlcd.methods import METHODS, sample_candidates
from vlrlcd.methods.gradient import RolloutGradient
from vlrlcd.prefix_branches import pack
from vlrlcd.ranking.distribution import Scale
from vlrlcd.ranking.rank import ranked
from vlrlcd.trainer import train

WITH_CANDIDATES = [name for name, method in METHODS.items() if method and method.supervision]
DRAWN = {"single_pair_dpo": 4, "self_ppo": 4}
"""Answers of a step of 4 prompts; the others draw K = 4 of each."""
RULE = {"judge.kind": "rule"}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains(inputs, distributed, tmp_path, name):
    settings = {"stage2.method": name, "stage2.learning_rate": 1e-2, "evaluation.split": "", "data.train_limit": 8}
    run = train(config_of(inputs, RULE, settings, {"run.root": tmp_path}), "it")
    steps = [row for row in lines(run / "metrics.jsonl") if row["stage"] == "stage2"]
    assert len(steps) == (0 if name == "sft" else 2)
    assert (run / "student" / "model.safetensors").is_file()
    if name in WITH_CANDIDATES:
        assert [row["drawn"] for row in steps] == [DRAWN.get(name, 16)] * 2
        assert steps[0]["kl"] == pytest.approx(0, abs=1e-6)
        # where the first step holds nothing but ties, there is nothing to learn, not even rounding
        assert (steps[1]["kl"] > 0) == (steps[0]["tied_share"] < 1)


@pytest.fixture
def bench(inputs, checkpoint, distributed):
    def made(**changes):
        changed = {key.replace("__", "."): value for key, value in changes.items()}
        return Bench(
            config_of(inputs, RULE, {"stage2.learning_rate": 1e-2, "engine.warmup": 0}, changed), "stage2", checkpoint
        )

    return made


def rolled_out(bench):
    preference, groups = bench.preference(), bench.groups()
    preference.draw(groups, 0)
    preference.rank(groups, 0)
    return preference, groups


def test_grpo_clips_from_the_second_update_on(bench):
    """The loss of an update is the plain formula over K separate answers, with the log-probs of the rollout as old."""
    tried = bench(stage2__method="anchor_grpo", stage2__beta=0, stage2__clip=0.01)
    preference, groups = rolled_out(tried)
    old = token_logps(tried, groups)
    for update in range(2):
        done = preference.learn(groups, 0)
        now = token_logps(tried, groups)
        expected, clipped = plain_grpo(groups, preference.ranking, now, old, epsilon=0.01)
        assert done.figures["loss"] == pytest.approx(expected, abs=1e-5)
        assert (clipped > 0) == (update > 0)
        tried.engine.step(update)


def token_logps(bench, groups):
    """Token log-probs of every candidate under the student, each in a pass of its own."""
    return [
        [
            bench.engine.run("logps", bench.engine.adapter.collate([g.row]), pack([[c.tokens]])).detach()
            for c in g.candidates
        ]
        for g in groups
    ]


def plain_grpo(groups, ranking, now, old, epsilon):
    """(loss, tokens outside of the clip), by loops over the K drawn answers."""
    per_group, outside = [], 0
    for b, group in enumerate(groups):
        r = torch.cat([ranking.r_BK[b, k].repeat(c.copies) for k, c in enumerate(group.candidates)])
        if len(set(r.tolist())) < 2:
            continue
        means = []
        for k, candidate in enumerate(group.candidates):
            advantage = (ranking.r_BK[b, k] - r.mean()) / (r.std() + 1e-4)
            ratio = (now[b][k] - old[b][k]).exp()
            outside += int(((ratio - 1).abs() > epsilon).sum())
            loss = -torch.minimum(ratio * advantage, ratio.clamp(1 - epsilon, 1 + epsilon) * advantage).mean()
            means += [loss] * candidate.copies
        per_group.append(torch.stack(means).mean())
    return torch.stack(per_group).mean().item(), outside


@pytest.mark.parametrize("method", ["ldl_grpo", "anchor_grpo", "anchorrank_dpo"])
def test_tied_groups_teach_nothing(bench, method):
    """With this q the student is not where a uniform D would leave it alone."""
    tried = bench(stage2__method=method, stage2__beta=0, stage2__q="mean")
    preference, groups = rolled_out(tried)
    same_BK = torch.zeros_like(preference.ranking.r_BK)
    ranking = preference.ranking = ranked(groups, same_BK, torch.zeros(len(groups)), same_BK, Scale(1.0, 1.0))
    objective = preference.method.objective
    preference.gradient = RolloutGradient(tried.engine, tried.config, objective, groups, ranking)
    assert preference.learn(groups, 0).figures["tied_share"] == 1
    assert not any(gradient.any() for gradient in tried.gradients().values())


def test_single_pair_dpo_prefers_the_anchor_to_the_one_sample(bench):
    tried = bench(stage2__method="single_pair_dpo")
    preference, groups = rolled_out(tried)
    for group in groups:
        anchor, *samples = group.candidates
        assert anchor.tokens == group.anchor_tokens and len(samples) <= 1
    assert preference.learn(groups, 0).figures["loss"] == pytest.approx(0.6931, abs=1e-3)
    tried.engine.step(0)
    assert preference.learn(groups, 0).figures["loss"] < 0.69


def test_a_sample_that_is_the_anchor_is_no_pair_and_counts_as_drawn(bench):
    tried = bench(stage2__method="single_pair_dpo")
    preference, groups = tried.preference(), tried.groups()
    for group in groups:
        group.candidates = [Candidate(group.anchor_tokens, group.anchor, 1, False, True, sampled_logp=-1.0)]
    preference.rank(groups, 1)
    figures = preference.learn(groups, 1).figures
    assert figures["drawn"] == 4 and figures["loss"] == 0 and figures["tied_share"] == 1


def test_ppo_fits_its_value_head_to_the_reward_and_exports_none_of_it(bench):
    tried = bench(stage2__method="self_ppo", stage2__value_learning_rate=0.1, stage2__learning_rate=1e-6)
    preference, groups = rolled_out(tried)
    reward = preference.ranking.r_BK[:, 0]
    for update in range(60):
        preference.learn(groups, 0)
        tried.engine.step(min(update, 5))
    batch = tried.engine.adapter.collate([group.row for group in groups])
    branches = pack([[candidate.tokens for candidate in group.candidates] for group in groups])
    reference_NH, _ = tried.engine.run("reference_states", batch, branches)
    values_N = tried.engine.run("learned", batch, branches, reference_NH)[2].detach()
    values_G = branches.sum_per_branch(values_N) / branches.lengths_G
    assert (values_G - reward).abs().mean() < 0.5 * reward.abs().mean()
    assert not any("value" in name for name in tried.engine.plain_weights())


def test_a_judge_s_verdicts_are_the_rewards(bench):
    """The anchors are right and true: a wrong answer loses, the anchor itself ties."""
    tried = bench(stage2__method="teacher_judge_grpo")
    groups, judge = tried.groups(), RuleJudge(tried.job.train)
    for group in groups:
        wrong = next(choice for choice in group.example.choices if choice != group.example.answer)
        group.candidates = [
            Candidate(tried.engine.adapter.encode_answer(text), text, 1, False, None, 0.0)
            for text in (group.anchor, f"Answer: {wrong}")
        ]
    ranker = replace(tried.ranker(), judge=judge)
    ranking = METHODS["teacher_judge_grpo"].supervision.rank(tried.engine, ranker, groups, Scale(1.0, 1.0), 0)
    assert ranking.r_BK.tolist() == [[0.5, 0.0]] * 4


def test_a_candidate_without_a_verdict_stops_the_run_and_says_why(bench):
    tried = bench(stage2__method="teacher_judge_grpo")
    groups, judge = tried.groups(), MagicMock()
    judge.name, judge.verdicts = "gpt", lambda games: [None] * len(games)
    judge.ask.return_value = Collection(given_up=[("row 1", "HTTP 500")])
    sample_candidates(tried.engine, tried.config, groups, 0, 2)
    ranker = replace(tried.ranker(), judge=judge)
    with pytest.raises(UserError, match=r"gpt gave no verdict on \d+ of \d+ candidates \(HTTP 500\); .*--run.resume"):
        METHODS["teacher_judge_grpo"].supervision.rank(tried.engine, ranker, groups, Scale(1.0, 1.0), 0)


NEEDS = {
    "one candidate": ({"sampling.candidates": 1}, r"sampling\.candidates=1: ldl_grpo ranks"),
    "a control without margins": (
        {"stage2.method": "self_ppo", "ranking.control": "d_uniform"},
        r"ranking\.control=d_uniform takes the place of margins, and stage2\.method=self_ppo has none",
    ),
    "a control of D where D is not learned": (
        {"stage2.method": "anchor_grpo", "ranking.control": "d_permuted"},
        r"ranking\.control=d_permuted takes the place of D, and stage2\.method=anchor_grpo learns from the margins",
    ),
    "a judge without a key": (
        {
            "stage2.method": "teacher_judge_grpo",
            "judge.kind": "chat",
            "judge.model": "m",
            "judge.api_key_env": "NO_KEY",
        },
        r"judge\.api_key_env names holds no key: export it",
    ),
    "no judge": ({"stage2.method": "teacher_judge_grpo", "judge.kind": "chat"}, r"judge\.model"),
}


@pytest.mark.parametrize("settings, told", NEEDS.values(), ids=NEEDS)
def test_what_a_method_lacks_is_told_at_the_start(inputs, distributed, tmp_path, settings, told):
    with pytest.raises(UserError, match=told):
        train(config_of(inputs, RULE, settings, {"run.root": tmp_path}), "it")
    assert not list(tmp_path.iterdir())


def test_losses_know_no_gradient_where_nothing_is_preferred():
    scores = torch.tensor([[0.3, -0.2]], requires_grad=True)
    losses.dpo(scores, torch.ones(1, 2), torch.ones(1, 2), 0.1).sum().backward()
    assert scores.grad.abs().max() == 0
