"""One optimiser step under every setting that must not change it, and under every one that may."""

import pytest
import torch

from model_adapters.llava import LlavaAdapter
from tests.run.bench import Bench
from tests.run.jobs import ROOT, config_of, largest_gap
from vlrlcd import head, prefix_branches
from vlrlcd.engine import Engine
from vlrlcd.ranking import rank

EIGHT = {"stage1.prompts_per_step": 8, "stage2.prompts_per_step": 8, "stage2.learning_rate": 3e-4, "engine.warmup": 0}
STAGES = ["stage1", "stage2"]
ZEROS = ["zero0", "zero2"]


@pytest.fixture
def bench(inputs, checkpoint, distributed):
    """Makes a stage on the fresh checkpoint; keywords change the configuration."""

    def make(stage="stage2", **changes):
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        return Bench(config_of(inputs, EIGHT, dotted), stage, checkpoint)

    return make


def zero(name):
    return ROOT / f"configs/deepspeed/{name}.json"


def gap_to_largest(one, other):
    largest = max(float(g.abs().max()) for g in one.values())
    return largest_gap(one.values(), other.values()) / largest


def distance(one, other):
    return sum(float((one[name] - other[name]).square().sum()) for name in one) ** 0.5


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ZEROS)
@pytest.mark.parametrize("size", [2, 3])
def test_accumulated_prompts_are_prompts_in_one_pass(bench, stage, name, size):
    at_once = bench(stage, engine__prompts_per_pass=8)
    parts = bench(stage, engine__prompts_per_pass=size, engine__deepspeed=zero(name))
    whole, in_parts = at_once.gradient(), parts.gradient()
    assert in_parts.figures["loss"] == pytest.approx(whole.figures["loss"], abs=1e-6)
    assert gap_to_largest(at_once.gradients(), parts.gradients()) < 1e-5
    norms = at_once.engine.step(0)[1], parts.engine.step(0)[1]
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    assert norms[0] > 1e-3


@pytest.mark.parametrize("method", ["ldl_grpo", "anchor_grpo", "anchorrank_dpo"])
def test_groups_that_do_not_fit_are_learned_in_pieces(bench, method):
    def learned(tokens):
        one = bench(engine__prompts_per_pass=8, engine__tokens_per_pass=tokens, stage2__method=method)
        preference, groups = one.preference(), one.groups()
        preference.draw(groups, 0)
        preference.rank(groups, 0)
        return preference.learn(groups, 0).figures, preference.gradient, one.gradients()

    figures, at_once, expected = learned(0)
    assert len(at_once.parts) == 1 and figures["split_share"] == 0
    sizes = [piece.size for piece in at_once.pieces]
    for tokens, split in ((2 * max(s.tokens for s in sizes), False), (max(s.prefix for s in sizes) + 5, True)):
        told, gradient, found = learned(tokens)
        assert len(gradient.parts) > 2
        assert (told["split_share"] > 0.5) == split
        assert told["loss"] == pytest.approx(figures["loss"], abs=1e-6)
        assert gap_to_largest(expected, found) < 1e-5


@pytest.mark.parametrize("stage", STAGES)
def test_accumulation_leads_to_the_same_weights(bench, stage):
    at_once, parts = bench(stage, engine__prompts_per_pass=8), bench(stage, engine__prompts_per_pass=2)
    before = at_once.weights()
    for step in range(2):
        at_once.step(step)
        parts.step(step)
    # Adam divides by the size of the gradient, so rounding moves single weights whose gradient is almost zero
    assert distance(at_once.weights(), parts.weights()) < 1e-4 * distance(at_once.weights(), before)
    assert largest_gap(at_once.weights().values(), before.values()) > 1e-5


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_activation_checkpointing_recomputes_and_changes_no_gradient(bench, stage, tuning):
    gradients, calls = {}, {}
    for on in (False, True):
        one = bench(stage, model__tuning=tuning, model__activation_checkpointing=str(on).lower())
        counted = []
        mlp = one.engine.adapter.decoder.layers[0].mlp
        mlp.register_forward_pre_hook(lambda *_, counted=counted: counted.append(torch.is_grad_enabled()))
        one.gradient()
        gradients[on], calls[on] = one.gradients(), sum(counted)
    assert calls[True] > calls[False]
    assert gap_to_largest(gradients[False], gradients[True]) < 1e-6


@pytest.mark.parametrize("name", ZEROS)
def test_clipping_bounds_what_the_optimiser_sees(bench, name):
    def moved(clipping):
        one = bench("stage1", engine__deepspeed=zero(name), engine__gradient_clipping=clipping)
        before = one.weights()
        norm = one.step()[1]
        return norm, largest_gap(one.weights().values(), before.values())

    # below Adam's epsilon a clipped gradient moves the weights by far less than the learning rate
    norm, free = moved(1e6)
    clipped_norm, held = moved(1e-9)
    assert clipped_norm == pytest.approx(norm, rel=1e-5)
    assert held < 0.2 * free


def test_the_sampled_log_probs_are_those_of_the_training_pass(bench):
    assert bench().gradient().figures["logp_gap"] < 1e-4


def calls_of(monkeypatch, method):
    """What a method of the adapter is called with, call by call."""
    calls, own = [], getattr(LlavaAdapter, method)
    monkeypatch.setattr(LlavaAdapter, method, lambda self, given: calls.append(given) or own(self, given))
    return calls


@pytest.mark.parametrize(
    ("projector", "tower", "times"),
    [("frozen", "frozen", 1), ("full", "frozen", 1), ("lora", "frozen", 1), ("full", "full", 3)],
)
def test_a_frozen_tower_runs_once_a_step(bench, monkeypatch, projector, tower, times):
    """Otherwise to sample, to rank, and to learn; as the reference p_sft goes on from what it has read to rank."""
    one = bench(model__projector=projector, model__vision_tower=tower, ranking__probe_every=0)
    looks = calls_of(monkeypatch, "image_features")
    one.gradient()
    assert len(looks) == times


@pytest.mark.parametrize("tuning", ["full", "lora"])
@pytest.mark.parametrize("tokens", [0, 60])
def test_what_p_sft_has_read_is_fed_once_and_changes_nothing(bench, monkeypatch, tokens, tuning):
    found = []
    for once in (True, False):
        monkeypatch.setattr(Engine, "reads_once", once)
        one = bench(
            engine__tokens_per_pass=tokens, model__tuning=tuning, ranking__probe_every=0, stage2__learning_rate=1e-2
        )
        # so that the student is p_sft no more
        one.step(0)
        preference, groups = one.preference(), one.groups(1)
        preference.draw(groups, 1)
        preference.rank(groups, 1)
        assert all(bool(group.read) == once for group in groups)
        fed = calls_of(monkeypatch, "embed")
        done = preference.learn(groups, 1)
        assert not any(group.read for group in groups)
        found.append((len(fed), done.figures, one.gradients()))
    (less, figures, gradients), (more, wanted, others) = found
    assert less < more and wanted["kl"] > 1e-3
    assert figures == pytest.approx(wanted, abs=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, others[name], atol=1e-5 * float(others[name].abs().max()), rtol=1e-3)


@pytest.mark.parametrize("changes", [{"ranking__evaluator": "current"}, {"model__dtype": "bfloat16"}])
def test_nothing_is_kept_where_other_weights_rank_or_roundings_count(bench, changes):
    one = bench(ranking__probe_every=0, **changes)
    preference, groups = one.preference(), one.groups()
    preference.draw(groups, 0)
    preference.rank(groups, 0)
    assert not any(group.read for group in groups)


def test_prompts_beyond_the_room_are_read_again(bench, monkeypatch):
    one = bench(engine__prompts_per_pass=2, ranking__probe_every=0)
    monkeypatch.setattr(rank, "KEPT_BYTES", 1)
    preference, groups = one.preference(), one.groups()
    preference.draw(groups, 0)
    preference.rank(groups, 0)
    # the first pass is kept whole
    assert sum(bool(group.read) for group in groups) == 2
    assert preference.learn(groups, 0).figures["kl"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("less", [True, False])
def test_which_attention_was_chosen_is_logged(bench, monkeypatch, less):
    monkeypatch.setattr(prefix_branches, "costs_less", lambda *sizes: less)
    done = bench(ranking__probe_every=0).gradient()
    assert done.figures["dense_share"] == float(not less)
    assert {record["dense"] for record in done.samples} == {not less}


def test_no_pass_over_the_answers_makes_more_logits_than_a_chunk(bench, monkeypatch):
    one = bench(ranking__probe_every=0)
    preference, groups = one.preference(), one.groups()
    preference.draw(groups, 0)
    states = calls_of(monkeypatch, "logits")
    monkeypatch.setattr(head, "CHUNK_LOGITS", 7 * one.engine.adapter.config.get_text_config().vocab_size)
    preference.rank(groups, 0)
    preference.learn(groups, 0)
    assert max(hidden.shape[:-1].numel() for hidden in states) <= 7
    assert len(states) > 50
