import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.draws import generator, pick
from vlrlcd.sampling import SamplingSettings, uniforms

logits = st.lists(st.floats(-20, 20, width=32) | st.just(-1e30), min_size=2, max_size=12).filter(
    lambda row: max(row) > -1e29
)
almost_one = np.nextafter(1.0, 0.0)
uniform = st.floats(0, almost_one) | st.sampled_from([0.0, almost_one])


def nucleus(probs, top_p):
    """Tokens of the smallest set of most likely ones that holds `top_p`, one by one."""
    kept, mass = [], 0.0
    for token in sorted(range(len(probs)), key=lambda i: -probs[i]):
        kept.append(token)
        mass += probs[token]
        if mass >= top_p:
            return kept
    return kept


@given(logits, uniform, st.sampled_from([0.3, 1.0, 2.0]), st.sampled_from([0.2, 0.9, 1.0]))
def test_pick_inverts_the_cumulative_distribution(row, u, temperature, top_p):
    logprobs = torch.tensor([row]).log_softmax(-1)
    token = pick(logprobs, torch.tensor([u], dtype=torch.float64), temperature, top_p).item()
    probs = (logprobs / temperature).softmax(-1).double().numpy()[0]
    assert probs[token] > 0
    kept = np.zeros_like(probs)
    # a tie at the edge of the nucleus may fall either way
    inside = nucleus(probs, top_p + 1e-9 if top_p < 1 else 2)
    kept[inside] = probs[inside]
    assert token in inside or np.isclose(probs[token], probs[inside].min())
    if top_p == 1:
        cumulative = np.cumsum(kept) / kept.sum()
        assert cumulative[token] >= u - 1e-12
        assert token == 0 or cumulative[token - 1] <= u + 1e-12


def test_pick_against_numpy_on_many_rows():
    rng = np.random.default_rng(0)
    logprobs = torch.from_numpy(rng.normal(size=(500, 40)).astype(np.float32) * 3).log_softmax(-1)
    u = rng.random(500)
    probs = logprobs.softmax(-1).double().numpy()
    expected = [int(np.searchsorted(np.cumsum(p), v * p.sum(), side="right")) for p, v in zip(probs, u, strict=True)]
    assert pick(logprobs, torch.from_numpy(u), 1.0, 1.0).tolist() == expected


def test_temperature_zero_is_the_argmax():
    logprobs = torch.tensor([[0.1, 3.0, 2.9], [5.0, 1.0, 2.0]]).log_softmax(-1)
    assert pick(logprobs, torch.tensor([0.999, 0.999], dtype=torch.float64), 0, 1.0).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("temperature", "top_p", "expected"),
    [
        (1.0, 1.0, [0.5, 0.0, 0.3, 0.2]),
        (0.5, 1.0, [0.25 / 0.38, 0.0, 0.09 / 0.38, 0.04 / 0.38]),
        (1.0, 0.6, [0.625, 0.0, 0.375, 0.0]),
        (1.0, 0.5, [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_frequencies(temperature, top_p, expected):
    logprobs = torch.tensor([0.5, 0.0, 0.3, 0.2]).log().expand(20_000, 4)
    u = torch.from_numpy(generator("frequencies").random(20_000))
    counts = pick(logprobs, u, temperature, top_p).bincount(minlength=4)
    assert np.abs(counts.numpy() / 20_000 - expected).max() < 0.015
    assert all(counts[i] == 0 for i, share in enumerate(expected) if share == 0)


def test_uniforms_depend_on_the_key_alone():
    settings = SamplingSettings(branches=4, max_new_tokens=6)
    whole = uniforms(1, 2, ["a", "b", "c"], settings)
    assert np.array_equal(uniforms(1, 2, ["c", "a"], settings), whole[[2, 0]])
    assert np.array_equal(uniforms(1, 2, ["b"], SamplingSettings(2, 6)), whole[1:2, :2])
    assert np.array_equal(uniforms(1, 2, ["b"], SamplingSettings(4, 3)), whole[1:2, :, :3])


def test_uniforms_change_with_every_part_of_the_key():
    settings = SamplingSettings(branches=2, max_new_tokens=50)
    rows = [uniforms(*key, settings)[0] for key in [(1, 2, ["a"]), (2, 2, ["a"]), (1, 3, ["a"]), (1, 2, ["b"])]]
    flat = np.concatenate([row.reshape(-1) for row in rows])
    assert len(set(flat)) == len(flat)
    assert flat.min() >= 0 and flat.max() < 1 and 0.4 < flat.mean() < 0.6


def test_uniforms_are_those_of_every_release():
    """A run can be replayed only while these stay what they are."""
    found = uniforms(0, 1, ["x"], SamplingSettings(1, 2)).ravel().tolist()
    assert found == pytest.approx([0.77212173711566, 0.937721505424086], abs=1e-15)
