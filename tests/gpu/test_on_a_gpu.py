"""What a GPU does must be what a CPU does: draws, log-probs, gradients. `make test-gpu`."""

import pytest
import torch

from model_adapters import ModelAdapter, adapter_for
from tests.conformance.cases import cases_for
from tests.tiny import FAMILIES
from vlrlcd import sampling, static_sampling
from vlrlcd.head import token_logps
from vlrlcd.prefix_branches import pack, predicting_states

pytestmark = pytest.mark.gpu
SETTINGS = sampling.SamplingSettings(branches=4, max_new_tokens=24)
HALF_GAP = 0.1
"""Nats between log-probs of one token drawn and learned in bfloat16; a tiny random student's are near log 1/V."""


@pytest.fixture(autouse=True)
def whole_precision(monkeypatch):
    # the patches of an image go through a convolution, which a GPU computes in TF32 unless told otherwise
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def checkpoint(request, tmp_path_factory):
    return FAMILIES[request.param](tmp_path_factory.mktemp(request.param))


def loaded(checkpoint, device: str, dtype=torch.float32) -> ModelAdapter:
    adapter = adapter_for(str(checkpoint)).load_model(dtype)
    adapter.model.to(device)
    return adapter


def drawn(sample, adapter: ModelAdapter, device: str):
    cases = cases_for(adapter)
    rows = [adapter.encode(case.messages) for case in cases]
    numbers = sampling.uniforms(3, 1, [str(b) for b in range(len(cases))], SETTINGS)
    if sample is static_sampling.sample:
        return sample(adapter, rows, SETTINGS, numbers, width=2)
    return sample(adapter, adapter.collate(rows).to(torch.device(device)), SETTINGS, numbers)


def logps(adapter: ModelAdapter, rows: list, device: str) -> torch.Tensor:
    cases = cases_for(adapter)
    batch = adapter.collate([adapter.encode(case.messages) for case in cases]).to(torch.device(device))
    branches = pack(rows).to(torch.device(device))
    return token_logps(adapter, predicting_states(adapter, batch, branches), branches.target_N)


def test_captured_draws_are_those_of_a_cpu(checkpoint, monkeypatch):
    monkeypatch.setattr(static_sampling, "SEGMENT", 10)
    monkeypatch.setattr(static_sampling, "LOOK_EVERY", 4)
    on_cpu, on_gpu = loaded(checkpoint, "cpu"), loaded(checkpoint, "cuda")
    for adapter in (on_cpu, on_gpu):
        # rows leave at different steps
        monkeypatch.setattr(adapter, "stop_ids", tuple(range(0, len(adapter.tokenizer), 9)))
    expected = drawn(sampling.sample, on_cpu, "cpu")
    for sample in (static_sampling.sample, sampling.sample):
        found = drawn(sample, on_gpu, "cuda")
        for row, other in zip(expected, found, strict=True):
            assert [answer.ids for answer in row] == [answer.ids for answer in other]
            for answer, same in zip(row, other, strict=True):
                torch.testing.assert_close(torch.tensor(answer.logps), torch.tensor(same.logps), atol=1e-4, rtol=1e-4)


def test_log_probs_and_gradients_are_those_of_a_cpu(checkpoint):
    found = {}
    for device in ("cpu", "cuda"):
        adapter = loaded(checkpoint, device)
        logps_N = logps(adapter, [case.branches for case in cases_for(adapter)], device)
        (logps_N * torch.linspace(-1, 1, len(logps_N), device=device)).sum().backward()
        norms = [p.grad.norm().cpu() for p in adapter.decoder.parameters() if p.grad is not None]
        found[device] = logps_N.detach().cpu(), torch.stack(norms)
    for expected, other in zip(found["cpu"], found["cuda"], strict=True):
        torch.testing.assert_close(other, expected, atol=2e-4, rtol=2e-4)


@torch.no_grad()
def test_half_precision_draws_and_learns_nearly_the_same(checkpoint, record_property):
    adapter = loaded(checkpoint, "cuda", torch.bfloat16)
    draws = drawn(static_sampling.sample, adapter, "cuda")
    sampled = torch.tensor([logp for row in draws for answer in row for logp in answer.logps])
    learned = logps(adapter, [[answer.tokens for answer in row] for row in draws], "cuda").cpu()
    gap = (sampled - learned).abs().max().item()
    record_property("largest gap in nats", gap)
    print(f"largest gap between sampling and training, bfloat16: {gap:.4f} nats")
    assert gap < HALF_GAP
