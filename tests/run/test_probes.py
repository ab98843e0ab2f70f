"""What the images add to the answers of a student that looks, and of one that does not."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from tests.run.bench import Bench
from tests.run.jobs import config_of
from vlrlcd.data.images import MID_GREY
from vlrlcd.methods import sample_candidates
from vlrlcd.prefix_branches import pack
from vlrlcd.ranking.probes import image_gain


@pytest.fixture
def bench(inputs, checkpoint, distributed):
    return Bench(config_of(inputs), "stage2", checkpoint)


def drawn(bench):
    groups = bench.groups()
    sample_candidates(bench.engine, bench.config, groups, 0, bench.config.sampling.candidates)
    return groups


def summed_logps(bench, group, row):
    """Of each candidate, after this prompt."""
    branches = pack([[candidate.tokens for candidate in group.candidates]])
    logps_N = bench.engine.run("score_logps", bench.engine.adapter.collate([row]), branches, False)
    return branches.sum_per_branch(logps_N).tolist()


def test_the_gain_is_what_grey_images_take_from_the_log_probs(bench):
    gained, tokens, groups = 0.0, 0, drawn(bench)
    grey = bench.engine.adapter.encode_images([Image.new("RGB", (64, 48), MID_GREY)])
    for group in groups:
        with_sight, without = (summed_logps(bench, group, row) for row in (group.row, replace(group.row, images=grey)))
        for candidate, seen, unseen in zip(group.candidates, with_sight, without, strict=True):
            gained += candidate.copies * (seen - unseen)
            tokens += candidate.copies * len(candidate.tokens)
    assert abs(gained / tokens) > 1e-2
    assert image_gain(bench.engine, bench.ranker(), groups) == pytest.approx(gained / tokens, abs=1e-5)


@torch.no_grad()
def test_a_student_that_does_not_look_gains_nothing(bench):
    for parameter in bench.engine.adapter.model.model.multi_modal_projector.parameters():
        parameter.zero_()
    assert image_gain(bench.engine, bench.ranker(), drawn(bench)) == pytest.approx(0, abs=1e-5)
