"""What the machine could do, measured, and the least that a step must do, counted."""

import time
from dataclasses import dataclass

import torch

from benchmarks.ours import wait
from benchmarks.workloads import Workload

SIDE = {"cpu": 2048, "cuda": 8192}
COPY_BYTES = {"cpu": 2**28, "cuda": 2**31}
REPEATS = 5


def products(device: str, dtype: torch.dtype) -> float:
    """Operations a second of a large matrix product, of this moment."""
    side = SIDE[device]
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / _best(lambda: a @ b, device, 1)


def copies(device: str) -> float:
    """Bytes a second of a large copy, read and written."""
    source = torch.empty(COPY_BYTES[device], dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() / _best(lambda: target.copy_(source), device, REPEATS)


def _best(work, device: str, repeats: int) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        wait(torch.device(device))
        began = time.perf_counter()
        work()
        wait(torch.device(device))
        seconds.append(time.perf_counter() - began)
    return min(seconds)


@dataclass(frozen=True)
class Counts:
    """Of one step: operations of the forward and backward pass that learns, of passes without gradient, and bytes that
    decoding reads. Two operations a multiply-add; attention over the pairs that a token may see; norms, rotations and
    the image tower left out; what is recomputed counts once."""

    learning: float
    rank: float
    reference: float
    decoding_bytes: float


def count(workload: Workload, prompt_tokens: int, anchor_tokens: int) -> Counts:
    d, P, K, R = workload.decoder, prompt_tokens, workload.candidates, workload.answer_tokens
    weights, head = decoder_weights(d), d["vocab_size"] * d["hidden_size"]
    answers, prefix_pairs, answer_pairs = K * (R - 1), *pairs(workload, P)
    a_pair = 4 * d["num_hidden_layers"] * d["hidden_size"]
    seen = a_pair * (prefix_pairs + answer_pairs)
    # an input's gradient costs what the forward pass costs, a weight's as much again where weights train
    passes = 2 if workload.tuning == "lora" else 3
    # p_sft's logits, for the KL, without gradient
    learning = passes * 2 * (weights * (P + answers) + head * K * R) + 3 * seen + 2 * head * K * R
    rank = 2 * weights * (P + answers + anchor_tokens) + seen + 2 * head * (K * R + anchor_tokens)
    # in float32 the prefix is known from ranking
    read_again, seen_again = (1, 0) if workload.dtype == "float32" else (P, a_pair * prefix_pairs)
    reference = 2 * weights * (read_again + answers) + seen_again + a_pair * answer_pairs + 2 * head * K * R
    size = torch.finfo(getattr(torch, workload.dtype)).bits // 8
    key_values = 2 * d["num_hidden_layers"] * d["num_key_value_heads"] * (d["hidden_size"] // d["num_attention_heads"])
    kept = sum(key_values * workload.prompts * (P + K * step) for step in range(1, R))
    computed = (workload.prompts * operations for operations in (learning, rank, reference))
    return Counts(*computed, size * ((R - 1) * (weights + head) + kept))


def pairs(workload: Workload, prompt_tokens: int) -> tuple[float, float]:
    """Pairs of tokens of one prompt, within the prefix and of the answers, of which one may see the other."""
    P, K, R = prompt_tokens, workload.candidates, workload.answer_tokens
    return P * P / 2, K * (R - 1) * (P + R / 2)


def decoder_weights(d: dict) -> float:
    """Of the linear layers of all decoder layers."""
    width, key_values = d["hidden_size"], d["hidden_size"] // d["num_attention_heads"] * d["num_key_value_heads"]
    return d["num_hidden_layers"] * (2 * width * (width + key_values) + 3 * width * d["intermediate_size"])
