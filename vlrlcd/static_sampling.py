"""Sampling in shapes that never change, captured as a CUDA graph on a GPU: nothing waits for the host at a token.

Every branch of every row takes part in every step, finished ones too: on a GPU a step reads all weights anyway, and a
few more tokens cost nothing beside them. Rows whose branches have all ended leave between two segments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from model_adapters import ModelAdapter, Prefix, PromptBatch
from vlrlcd.branch_cache import BranchCache
from vlrlcd.draws import pick
from vlrlcd.head import allowed_logprobs
from vlrlcd.sampling import Draw, SamplingSettings, Start, read_prefixes

SEGMENT = 128
"""Steps for which the cache has room ahead and one capture serves."""
LOOK_EVERY = 16
"""Steps after which the host looks whether all branches have ended."""
_ALIGNED = 8
"""A mask whose rows are no multiple of this is copied by PyTorch's kernels at every step."""


@torch.no_grad()
def sample(
    adapter: ModelAdapter, batch: PromptBatch, settings: SamplingSettings, uniforms_BKT: np.ndarray
) -> list[list[Draw]]:
    """As `sampling.sample`, the same draws from the same numbers."""
    start = read_prefixes(adapter, batch)
    rows = _Rows.first(adapter, start, settings, uniforms_BKT)
    drawn: dict[int, list[Draw]] = {}
    while rows.step < settings.max_new_tokens:
        rows.run(min(SEGMENT, settings.max_new_tokens - rows.step))
        ended = rows.ended
        if ended.any() or rows.step == settings.max_new_tokens:
            drawn |= rows.draws()
        if ended.all():
            break
        rows = rows.without(ended)
    return [drawn[b] for b in range(len(uniforms_BKT))]


@dataclass
class _Rows:
    """The rows that are still being written.

    Attributes:
        numbers: of the rows in the batch.
        step: tokens drawn so far; `step_1` is the same on the device.
        ids_BKT, logps_BKT: what was drawn, and after a branch's end what means nothing.
        open_BK: branches that have not ended.
    """

    adapter: ModelAdapter
    settings: SamplingSettings
    prefix: Prefix
    cache: BranchCache
    numbers: list[int]
    step: int
    step_1: Tensor
    uniforms_BKT: Tensor
    ids_BKT: Tensor
    logps_BKT: Tensor
    open_BK: Tensor
    stop_N: Tensor

    @classmethod
    def first(cls, adapter: ModelAdapter, start: Start, settings: SamplingSettings, uniforms_BKT: np.ndarray):
        """With the first token of every branch drawn."""
        device, (B, K, T) = start.logprobs_BV.device, uniforms_BKT.shape
        rows = cls(
            adapter,
            settings,
            start.prefix,
            start.cache,
            list(range(B)),
            1,
            torch.zeros(1, dtype=torch.long, device=device),
            torch.from_numpy(uniforms_BKT).to(device),
            torch.zeros(B, K, T, dtype=torch.long, device=device),
            torch.zeros(B, K, T, device=device),
            torch.ones(B, K, dtype=torch.bool, device=device),
            torch.tensor(adapter.stop_ids, dtype=torch.long, device=device),
        )
        rows._draw(start.logprobs_BV.repeat_interleave(K, dim=0))
        return rows

    @property
    def ended(self) -> np.ndarray:
        """Rows whose branches have all ended, `[B]`; waits for the device."""
        return ~self.open_BK.any(-1).cpu().numpy()

    def run(self, steps: int) -> None:
        """So many steps, or fewer where all branches end."""
        K, P = self.settings.branches, self.prefix.mask_BP.shape[1]
        capacity = P + K * (self.step + steps - 1)
        self.cache.reserve(capacity + -capacity % _ALIGNED)
        one_step, left = self._stepper(), steps
        while left and self.open_BK.any():
            for _ in range(min(LOOK_EVERY, left)):
                one_step()
                self.step, left = self.step + 1, left - 1

    def _stepper(self) -> Callable[[], None]:
        """What makes one step."""
        K, (B, P), device = self.settings.branches, self.prefix.mask_BP.shape, self.ids_BKT.device
        branch_K = torch.arange(K, device=device)
        slot_S = torch.arange(self.cache.capacity, device=device) - P
        prefix_BS = torch.nn.functional.pad(self.prefix.mask_BP, (0, self.cache.capacity - P))
        own_KS = (slot_S >= 0) & (slot_S % K == branch_K[:, None])
        slots_K = torch.empty(K, dtype=torch.long, device=device)
        self.cache.write_to(slots_K)

        def one_step() -> None:
            last_BK = self.ids_BKT.index_select(2, self.step_1 - 1)[..., 0]
            depth_BK = (self.step_1 - 1).expand(B, K)
            slots_K.copy_(P + (self.step_1 - 1) * K + branch_K)
            sees_BKS = prefix_BS[:, None] | own_KS & (slot_S < self.step_1 * K)
            positions = self.adapter.branch_positions(self.prefix, depth_BK)
            embeds_BKH = self.adapter.embed_tokens(last_BK)
            hidden_BKH = self.adapter.decode_states(embeds_BKH, positions, sees_BKS[:, None], self.cache)
            self._draw(allowed_logprobs(self.adapter, hidden_BKH.flatten(0, 1)))

        return _Captured(one_step) if device.type == "cuda" else one_step

    def _draw(self, logprobs_NV: Tensor) -> None:
        """Draws token number `step_1` of every branch."""
        uniform_N = self.uniforms_BKT.index_select(2, self.step_1).flatten()
        token_N = pick(logprobs_NV, uniform_N, self.settings.temperature, self.settings.top_p)
        logp_N = logprobs_NV.gather(-1, token_N[:, None])
        self.ids_BKT.index_copy_(2, self.step_1, token_N.view(*self.open_BK.shape, 1))
        self.logps_BKT.index_copy_(2, self.step_1, logp_N.view(*self.open_BK.shape, 1))
        # torch.isin would wait for the host where many tokens end an answer
        self.open_BK &= ~(token_N[:, None] == self.stop_N).any(-1).view_as(self.open_BK)
        self.step_1 += 1

    def draws(self) -> dict[int, list[Draw]]:
        """What the branches of each row wrote, by the row's number."""
        drawn = zip(self.ids_BKT[..., : self.step].tolist(), self.logps_BKT[..., : self.step].tolist(), strict=True)
        ends, found = set(self.adapter.stop_ids), {}
        for number, (ids_KT, logps_KT) in zip(self.numbers, drawn, strict=True):
            found[number] = [_until_the_end(*answer, ends) for answer in zip(ids_KT, logps_KT, strict=True)]
        return found

    def without(self, ended_B: np.ndarray) -> "_Rows":
        """The rows that have not ended."""
        if not ended_B.any():
            return self
        keep = np.flatnonzero(~ended_B)
        index = torch.from_numpy(keep).to(self.ids_BKT.device)
        self.cache.select(index)
        per_row = (self.uniforms_BKT, self.ids_BKT, self.logps_BKT, self.open_BK)
        return _Rows(
            self.adapter,
            self.settings,
            self.prefix.select(index),
            self.cache,
            [self.numbers[b] for b in keep],
            self.step,
            self.step_1,
            *(tensor[index] for tensor in per_row),
            self.stop_N,
        )


class _Captured:
    """A step that changes tensors in place, recorded and replayed."""

    prepared: ClassVar[bool] = False
    """Whether a step has run in this process as it is: kernels prepare themselves when they are first used."""

    def __init__(self, one_step: Callable[[], None]):
        self.one_step, self.graph = one_step, None
        self.stream = torch.cuda.Stream()

    def __call__(self) -> None:
        if not _Captured.prepared:
            self._aside(self.one_step)
            _Captured.prepared = True
            return
        if not self.graph:
            self.graph = torch.cuda.CUDAGraph()
            self._aside(self._record)
        self.graph.replay()

    def _record(self) -> None:
        self.graph.capture_begin()
        try:
            self.one_step()
        finally:
            self.graph.capture_end()

    def _aside(self, work: Callable[[], None]) -> None:
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            work()
        torch.cuda.current_stream().wait_stream(self.stream)


def _until_the_end(ids: list[int], logps: list[float], ends: set[int]) -> Draw:
    length = next((place + 1 for place, token in enumerate(ids) if token in ends), len(ids))
    return Draw(ids[:length], logps[:length], ids[length - 1] not in ends)
