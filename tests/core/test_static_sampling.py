"""Sampling in static shapes: places are filled again, and a step does nothing that a CUDA graph could not hold."""

import gc
import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from model_adapters import ModelAdapter, adapter_for
from tests.tiny import FAMILIES
from vlrlcd import sampling, static_sampling
from vlrlcd.sampling import SamplingSettings, uniforms

SETTINGS = SamplingSettings(branches=3, max_new_tokens=12)
WAITS = ("item", "_local_scalar_dense", "nonzero", "masked_select", "unique", "lift_fresh", "equal")
"""What makes the host wait for a device, or copies from it: an error while a step is captured."""


@pytest.fixture(scope="module", params=["llava", "qwen2_5_vl", "qwen2"])
def adapter(request, tmp_path_factory) -> ModelAdapter:
    return adapter_for(str(FAMILIES[request.param](tmp_path_factory.mktemp("student")))).load_model(torch.float32)


def rows(adapter, count):
    texts = ["what is red?", "what colour is the round thing left of the square, and why?", "how many?"]
    parts = [[{"type": "text", "text": texts[number % 3] + " please" * number}] for number in range(count)]
    return [adapter.encode([{"role": "user", "content": content}]) for content in parts]


@pytest.mark.parametrize("width", [1, 2, 5, 9])
def test_prompts_take_the_places_of_those_that_ended(adapter, width, monkeypatch):
    # answers end after one token and at the limit, and at many lengths in between
    monkeypatch.setattr(adapter, "stop_ids", tuple(range(0, len(adapter.tokenizer), 5)))
    monkeypatch.setattr(static_sampling, "LOOK_EVERY", 3)
    monkeypatch.setattr(static_sampling, "SEGMENT", 5)
    prompts = rows(adapter, 7)
    numbers = uniforms(1, 0, [str(b) for b in range(7)], SETTINGS)
    expected = sampling.sample(adapter, adapter.collate(prompts), SETTINGS, numbers)
    found = static_sampling.sample(adapter, prompts, SETTINGS, numbers, width)
    assert [[a.ids for a in row] for row in found] == [[a.ids for a in row] for row in expected]
    lengths = {len(answer.ids) for row in found for answer in row}
    assert 1 in lengths and len(lengths) > 2


class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.name().split("::")[1].split(".")[0])
        return func(*args, **(kwargs or {}))


def test_a_step_never_waits_for_the_host(adapter, monkeypatch):
    recorders, stepper = [], static_sampling._Stream._stepper

    def recorded(stream):
        step = stepper(stream)

        def one_step():
            with Recorder() as recorder:
                step()
            recorders.append(recorder)

        return one_step

    monkeypatch.setattr(static_sampling._Stream, "_stepper", recorded)
    numbers = uniforms(1, 0, ["a", "b"], SETTINGS)
    static_sampling.sample(adapter, rows(adapter, 2), SETTINGS, numbers, 2)
    # what is made once, at the first step, is there when the second is captured
    seen = set().union(*(recorder.names for recorder in recorders[1:]))
    assert {"index_put_", "mm"} <= seen
    assert not seen.intersection(WAITS)


def test_the_recorder_sees_a_host_that_waits():
    with Recorder() as recorder:
        assert torch.ones(1).item() and torch.tensor([1]).nonzero().numel()
    assert recorder.names & set(WAITS)


def test_a_finished_rollout_leaves_nothing_behind(adapter, monkeypatch):
    streams, fill = [], static_sampling._Stream.fill
    monkeypatch.setattr(
        static_sampling._Stream, "fill", lambda stream: streams.append(weakref.ref(stream)) or fill(stream)
    )
    gc.collect()
    gc.disable()
    try:
        static_sampling.sample(adapter, rows(adapter, 2), SETTINGS, uniforms(1, 0, ["a", "b"], SETTINGS), 2)
        assert streams and not any(stream() for stream in streams)
    finally:
        gc.enable()
