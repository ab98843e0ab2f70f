"""The benchmark of a step: both sides do the same work, every phase is timed, operations are counted as they are."""

import argparse
import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from benchmarks import limits, step
from benchmarks.prompts import Prompts
from benchmarks.workloads import WORKLOADS, clip, random_model, sizes
from vlrlcd.head import token_logps
from vlrlcd.prefix_branches import pack, predicting_states

TINY = dataclasses.replace(
    WORKLOADS["llava_9m"],
    decoder=sizes(32, 64, 2, 4, 2, 700),
    tower=clip(16, 32, 3, 2),
    side=42,
    text_tokens=20,
    candidates=3,
    answer_tokens=4,
)


@pytest.fixture
def arguments(monkeypatch):
    monkeypatch.setitem(step.WORKLOADS, "llava_9m", TINY)
    monkeypatch.setitem(limits.SIDE, "cpu", 64)
    monkeypatch.setitem(limits.COPY_BYTES, "cpu", 2**16)
    unchanged = dict.fromkeys(step.CHANGEABLE)
    given = {"workload": "llava_9m", "device": "cpu", "threads": 1, "repeats": 2, "no_recompute": False}
    return argparse.Namespace(**given, **unchanged)


def test_both_sides_and_the_table(arguments):
    arguments.only = "ours"
    found = step.one_side(arguments)
    phases = found["ours"]
    assert all(len(phases[name]) == 2 for name in ("step", *step.PHASES))
    assert all(min(phases[name]) > 0 for name in (*step.PHASES, "products"))
    assert sum(phases[name][0] for name in step.PHASES) <= phases["step"][0]
    arguments.only = "trl"
    theirs = step.one_side(arguments)
    assert theirs["prompt_tokens"] == found["prompt_tokens"] and len(theirs["trl"]["step"]) == 2
    table = "\n".join(step.lines(found | {"trl": theirs["trl"]}))
    assert "TRL's step / ours: " in table and "| ours, backward |" in table and "of the products" in table


@pytest.mark.parametrize("name", WORKLOADS)
def test_weights_are_counted_as_they_are(name):
    workload = WORKLOADS[name]
    config, _ = workload.build(workload.decoder, workload.tower, workload.side)
    auto = AutoModelForImageTextToText if workload.side else AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(config)
    inside = [m for n, m in model.named_modules() if ".layers." in n and "vision" not in n and "visual" not in n]
    counted = sum(module.weight.numel() for module in inside if isinstance(module, torch.nn.Linear))
    assert counted == limits.decoder_weights(workload.decoder)


@torch.no_grad()
def test_operations_are_counted_as_they_are(tmp_path):
    prompts = Prompts(TINY, tmp_path)
    adapter = prompts.adapter.take(random_model(prompts.adapter.config, "cpu", "float32"))
    batch = adapter.collate(prompts.rows())
    branches = pack([[tuple(range(9, 9 + TINY.answer_tokens))] * TINY.candidates] * TINY.prompts)
    products = []
    for work in (
        lambda: token_logps(adapter, predicting_states(adapter, batch, branches), branches.target_N),
        lambda: adapter.look(batch),
    ):
        with FlopCounterMode(display=False) as counter:
            work()
        products.append(sum(flops for op, flops in counter.get_flop_counts()["Global"].items() if "mm" in str(op)))
    counted = limits.count(TINY, prompts.tokens, anchor_tokens=0)
    seen = 4 * TINY.decoder["num_hidden_layers"] * TINY.decoder["hidden_size"] * sum(limits.pairs(TINY, prompts.tokens))
    assert counted.rank - TINY.prompts * seen == products[0] - products[1]
