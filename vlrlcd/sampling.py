"""Sampling K answers per prompt over one shared prefix: each decoding step appends one token per branch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from model_adapters import BranchLayout, ModelAdapter, Prefix, PromptBatch
from vlrlcd.branch_cache import BranchCache
from vlrlcd.draws import generator, pick
from vlrlcd.head import allowed_logprobs
from vlrlcd.prefix_branches import Tokens

_PAD, _PREFIX = -2, -1


@dataclass(frozen=True)
class SamplingSettings:
    """How answers are drawn: `temperature` 0 is greedy; `max_new_tokens` counts the end-of-answer token."""

    branches: int
    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0


@dataclass
class Draw:
    """One sampled answer: its tokens, their log-probs at temperature 1, and whether it was cut at the limit."""

    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    truncated: bool = True

    @property
    def tokens(self) -> Tokens:
        return tuple(self.ids)


def uniforms(seed: int, step: int, prompt_ids: Sequence[str], settings: SamplingSettings) -> np.ndarray:
    """`[B, K, T]` uniform draws keyed by (seed, step, prompt id, branch)."""
    keys = [[(seed, step, prompt, branch) for branch in range(settings.branches)] for prompt in prompt_ids]
    return np.array([[generator(*key).random(settings.max_new_tokens) for key in row] for row in keys])


@dataclass
class Start:
    """B prefixes that the decoder has read, their keys and values, and the log-probs of every answer's first token."""

    prefix: Prefix
    cache: BranchCache
    logprobs_BV: Tensor


def read_prefixes(adapter: ModelAdapter, batch: PromptBatch) -> Start:
    """Every prefix enters the cache once, whatever K is."""
    prefix, cache = adapter.embed(batch), BranchCache()
    layout = BranchLayout.of_prefixes(batch.mask_BP, batch.padded)
    inputs = prefix.embeds_BPH, prefix.positions, layout.prefix_sees_PP
    hidden_BPH = adapter.decode_states(*inputs, cache, prefix, layout)
    return Start(prefix, cache, allowed_logprobs(adapter, hidden_BPH[:, -1]))


@torch.no_grad()
def sample(
    adapter: ModelAdapter,
    batch: PromptBatch,
    settings: SamplingSettings,
    uniforms_BKT: np.ndarray,
    goes_on: Callable[[bool], bool] = bool,
) -> list[list[Draw]]:
    """Draws `settings.branches` answers for every row of the batch.

    A finished branch is no longer computed; a row whose branches all ended leaves the batch.

    Args:
        adapter: the model.
        batch: B prompts.
        settings: K branches and how they are drawn.
        uniforms_BKT: a number in [0, 1) for every token that may be drawn.
        goes_on: whether there is another step, given whether a branch of this process is unfinished; collective
            where a step is.
    """
    start = read_prefixes(adapter, batch)
    prefix, cache = start.prefix, start.cache
    B, K, _ = uniforms_BKT.shape
    draws = [[Draw() for _ in range(K)] for _ in range(B)]
    alive = [(b, k) for b in range(B) for k in range(K)]
    logprobs_NV = start.logprobs_BV.repeat_interleave(K, dim=0)
    rows = list(range(B))
    slots_BS = torch.where(prefix.mask_BP, _PREFIX, _PAD)

    for step in range(settings.max_new_tokens):
        alive = _draw(draws, alive, logprobs_NV, uniforms_BKT[:, :, step], settings, adapter.stop_ids)
        if step + 1 == settings.max_new_tokens or not goes_on(bool(alive)):
            return draws
        if not alive:
            _idle_step(adapter, prefix)
            continue

        keep = sorted({b for b, _ in alive})
        if keep != rows:
            index = torch.tensor([rows.index(b) for b in keep], device=slots_BS.device)
            cache.select(index)
            slots_BS, rows, prefix = slots_BS[index], keep, prefix.select(index)
        ids_BA, branch_BA = _next_inputs(draws, alive, rows, slots_BS.device)
        hidden_BAH, slots_BS = _decode_step(adapter, prefix, ids_BA, branch_BA, slots_BS, step, cache)
        logprobs_NV = allowed_logprobs(adapter, hidden_BAH[branch_BA >= 0])
    return draws


def _draw(draws, alive, logprobs_NV, uniforms_BK, settings, stop_ids) -> list[tuple[int, int]]:
    """Draws a token for every unfinished branch; returns those that it does not end."""
    if not alive:
        return alive
    uniform_N = torch.from_numpy(uniforms_BK[tuple(zip(*alive, strict=True))])
    token_N = pick(logprobs_NV, uniform_N, settings.temperature, settings.top_p)
    logp_N = logprobs_NV.gather(-1, token_N[:, None])[:, 0]
    for (b, k), token, logp in zip(alive, token_N.tolist(), logp_N.tolist(), strict=True):
        draws[b][k].ids.append(token)
        draws[b][k].logps.append(logp)
        draws[b][k].truncated = token not in stop_ids
    return [(b, k) for b, k in alive if draws[b][k].truncated]


def _next_inputs(draws, alive, rows, device) -> tuple[Tensor, Tensor]:
    """Last token and branch of every unfinished branch, `[B, A]`; rows with fewer than A are padded."""
    per_row = [[(draws[b][k].ids[-1], k) for a, k in alive if a == b] for b in rows]
    width = max(len(row) for row in per_row)
    grid = torch.tensor([row + [(0, _PAD)] * (width - len(row)) for row in per_row], device=device)
    return grid[..., 0], grid[..., 1]


def _decode_step(adapter, prefix, ids_BA, branch_BA, slots_BS, depth, cache) -> tuple[Tensor, Tensor]:
    """Feeds one token per branch. A token sees the prefix, the slots of its own branch, and itself."""
    slots_BS = torch.cat([slots_BS, branch_BA], dim=1)
    sees_BAS = (slots_BS == _PREFIX)[:, None, :] | (slots_BS[:, None, :] == branch_BA[:, :, None])
    depth_BA = torch.full_like(branch_BA, depth)
    positions = adapter.branch_positions(prefix, depth_BA)
    hidden_BAH = adapter.decode_states(adapter.embed_tokens(ids_BA), positions, sees_BAS[:, None], cache)
    return hidden_BAH, slots_BS


def _idle_step(adapter: ModelAdapter, prefix: Prefix) -> None:
    """The modules of a decoding step in their order, for a process that has finished while others have not."""
    sees_1111 = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=prefix.mask_BP.device)
    embeds_11H = adapter.embed_tokens(torch.zeros_like(sees_1111[0, 0], dtype=torch.long))
    hidden_11H = adapter.decode_states(embeds_11H, prefix.positions[..., :1, :1], sees_1111)
    allowed_logprobs(adapter, hidden_11H[:, -1])
