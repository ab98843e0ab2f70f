"""The warm-up of the verdict: its gradient is that of the risk as written, however it is passed, and it lowers it."""

import pytest
import torch
from torch.nn.functional import softplus

from tests.run.bench import Bench
from tests.run.jobs import config_of
from vlrlcd.losses import pu_risk
from vlrlcd.methods import warm_up
from vlrlcd.prefix_branches import pack
from vlrlcd.ranking.scorers import SCORERS


@pytest.fixture
def bench(inputs, checkpoint, distributed):
    def made(**changes):
        settings = {
            "ranking.scorer": "verdict",
            "stage1.verdict_weight": 1,
            "engine.warmup": 0,
            "stage1.learning_rate": 3e-3,
        }
        return Bench(
            config_of(inputs, settings, {k.replace("__", "."): v for k, v in changes.items()}), "stage1", checkpoint
        )

    return made


def verdicts(bench, groups):
    """(log-odds of the anchors, of the drawn answers), one prompt at a time, with gradient."""
    scorer, adapter = SCORERS["verdict"], bench.engine.adapter
    positive, unlabelled = [], []
    for group in groups:
        prompt = scorer.layout(adapter, bench.job.templates, group)
        found = bench.engine.run("last_logprobs", adapter.collate([prompt.row]), pack([prompt.branches]))
        z_G = scorer.reading(adapter)(found)
        positive.append(z_G[-1])
        unlabelled += [z for z, c in zip(z_G, group.candidates, strict=False) for _ in range(c.copies)]
    return torch.stack(positive), torch.stack(unlabelled)


def moved(bench, groups, steps):
    """The risk of each step of so many."""
    risks = []
    for step in range(steps):
        risks.append(warm_up(bench.engine, bench.config, bench.ranker(), groups, 0))
        end(bench)
        bench.engine.step(step)
    return risks


def end(bench):
    """The end of a step, without a gradient of its own."""
    trained = next(p for p in bench.engine.student.parameters() if p.requires_grad)
    bench.engine.backward(0.0 * trained.sum(), last=True)


@pytest.mark.parametrize("per_pass", [4, 1])
@pytest.mark.parametrize("steps", [0, 10])
def test_its_gradient_is_that_of_the_risk(bench, per_pass, steps):
    """At first, and once what looks bad is less than the anchors' share of it, where the max cuts that part off."""
    tried, plain = (bench(engine__prompts_per_pass=size, stage1__verdict_prior=0.9) for size in (per_pass, 4))
    groups = tried.groups()
    for one in (tried, plain):
        moved(one, groups, steps)
    risk = warm_up(tried.engine, tried.config, tried.ranker(), groups, 0)
    end(tried)

    positive, unlabelled = verdicts(plain, groups)
    cut_off = softplus(unlabelled).mean() < 0.9 * softplus(positive).mean()
    assert bool(cut_off) == bool(steps)
    expected = pu_risk(positive, unlabelled, 0.9)
    plain.engine.backward(expected, last=True)
    assert risk == pytest.approx(expected.item(), abs=1e-4)
    for name, gradient in plain.gradients().items():
        torch.testing.assert_close(tried.gradients()[name], gradient, rtol=0, atol=1e-4)


def test_it_lowers_the_risk(bench):
    tried = bench()
    risks = moved(tried, tried.groups(), 8)
    assert risks[-1] < risks[0] - 0.02
