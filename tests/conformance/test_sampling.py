"""Sampling over the shared prefix against the stock model computed anew at every token."""

import pytest
import torch

from tests.conformance.stock import OnTheEdge, close
from vlrlcd import static_sampling
from vlrlcd.sampling import SamplingSettings, sample, uniforms

NEVER = (-1,)
SEEDS = 20


def draw(adapter, cases, monkeypatch, stop=NEVER, seed=5, **settings):
    """What both samplers draw, and the numbers that they draw by."""
    monkeypatch.setattr(adapter, "stop_ids", stop)
    settings = SamplingSettings(**{"branches": 3, "max_new_tokens": 8, **settings})
    numbers = uniforms(seed, 2, [f"row {i}" for i in range(len(cases))], settings)
    rows = [adapter.encode(case.messages) for case in cases]
    # so that a few tokens are several segments, and a prompt waits for a place
    monkeypatch.setattr(static_sampling, "SEGMENT", 3)
    monkeypatch.setattr(static_sampling, "LOOK_EVERY", 2)
    draws = sample(adapter, adapter.collate(rows), settings, numbers)
    static = static_sampling.sample(adapter, rows, settings, numbers, width=2)
    for answer, other in zip(sum(draws, []), sum(static, []), strict=True):
        assert (answer.ids, answer.truncated) == (other.ids, other.truncated)
        close(torch.tensor(answer.logps), torch.tensor(other.logps))
    return draws, numbers


def third_of_the_vocabulary(adapter):
    return tuple(range(0, len(adapter.tokenizer), 3))


@pytest.mark.check("sampling")
@torch.no_grad()
def test_recorded_logps_equal_teacher_forcing(adapter, stock, cases, monkeypatch):
    draws, _ = draw(adapter, cases, monkeypatch, temperature=1.7)
    for case, row in zip(cases, draws, strict=True):
        for answer in row:
            logprobs = stock.logprobs(stock.inputs(case), answer.tokens, adapter.placeholder_ids)[:-1]
            drawn = logprobs.gather(-1, torch.tensor(answer.ids)[:, None])[:, 0]
            # the cached prefix and the whole text round differently, on each CPU in its own way
            close(torch.tensor(answer.logps), drawn, tolerance=5e-5)


@pytest.mark.check("sampling")
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.6, 1.0), (1.3, 0.7), (0.0, 1.0)])
@pytest.mark.parametrize("stopping", [False, True])
def test_tokens_equal_a_plain_sampler(adapter, stock, cases, monkeypatch, temperature, top_p, stopping):
    stop = third_of_the_vocabulary(adapter) if stopping else NEVER
    for seed in range(SEEDS):
        draws, numbers = draw(adapter, cases, monkeypatch, stop, seed, temperature=temperature, top_p=top_p)
        try:
            plain = [
                [stock.sample(case, u, temperature, top_p, stop, adapter.placeholder_ids) for u in row]
                for case, row in zip(cases, numbers, strict=True)
            ]
        except OnTheEdge:
            continue
        longest = {max(len(answer) for answer in row) for row in plain}
        # with stop tokens, rows must leave the batch at different steps
        if len(longest) > 1 or not (stopping and temperature):
            break
    else:
        pytest.fail("no seed draws what this test is about")
    assert [[answer.tokens for answer in row] for row in draws] == plain
    for answer in (answer for row in draws for answer in row):
        assert answer.truncated == (answer.ids[-1] not in stop)


def fill_logits(adapter, monkeypatch, ids, value):
    own = type(adapter).logits
    index = torch.tensor(ids)
    monkeypatch.setattr(adapter, "logits", lambda hidden: own(adapter, hidden).index_fill(-1, index, value))


@pytest.mark.check("sampling")
def test_greedy_equals_generate(adapter, stock, cases, monkeypatch):
    specials = [*adapter.placeholder_ids, *adapter.tokenizer.all_special_ids]
    fill_logits(adapter, monkeypatch, specials, -1e4)
    draws, _ = draw(adapter, cases, monkeypatch, branches=1, temperature=0.0, max_new_tokens=12)
    for case, (answer,) in zip(cases, draws, strict=True):
        inputs = stock.inputs(case)
        generated = stock.model.generate(
            **inputs, do_sample=False, max_new_tokens=12, min_new_tokens=12, suppress_tokens=specials
        )
        assert answer.ids == generated[0, inputs["input_ids"].shape[1] :].tolist()


@pytest.mark.check("teacher")
def test_a_teacher_of_this_family_answers_padded_batches_as_it_answers_one(adapter, stock, cases):
    batch = adapter.collate([adapter.encode(case.messages) for case in cases])
    specials = [*adapter.placeholder_ids, *adapter.tokenizer.all_special_ids]
    how = {"do_sample": False, "max_new_tokens": 6, "min_new_tokens": 6, "suppress_tokens": specials}
    together = adapter.model.generate(**adapter.stock_inputs(batch), **how)[:, batch.ids_BP.shape[1] :]
    for case, answer in zip(cases, together, strict=True):
        inputs = stock.inputs(case)
        assert answer.tolist() == stock.model.generate(**inputs, **how)[0, inputs["input_ids"].shape[1] :].tolist()


@pytest.mark.check("places")
@pytest.mark.usefixtures("sees")
def test_placeholders_are_never_drawn(adapter, cases, monkeypatch):
    banned = list(adapter.placeholder_ids)
    fill_logits(adapter, monkeypatch, banned, 1e4)
    for temperature in (0.0, 1.0):
        draws, _ = draw(adapter, cases, monkeypatch, temperature=temperature)
        assert not {token for row in draws for answer in row for token in answer.ids} & set(banned)


@pytest.mark.check("padding")
def test_a_row_draws_the_same_alone_and_in_a_batch(adapter, cases, monkeypatch):
    stop = third_of_the_vocabulary(adapter)
    together, numbers = draw(adapter, cases, monkeypatch, stop)
    for index, case in enumerate(cases):
        settings = SamplingSettings(branches=3, max_new_tokens=8)
        batch = adapter.collate([adapter.encode(case.messages)])
        (alone,) = sample(adapter, batch, settings, numbers[index : index + 1])
        assert [answer.ids for answer in alone] == [answer.ids for answer in together[index]]
