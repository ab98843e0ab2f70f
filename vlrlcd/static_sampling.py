"""Sampling in shapes that never change, captured as a CUDA graph on a GPU: nothing waits for the host at a token.

So many prompts are written at a time. One whose answers have all ended makes room for the next, so that short answers
do not wait for long ones. A finished branch of an unfinished prompt goes on in step and its tokens are thrown away: on
a GPU a step reads all weights anyway, and a few more tokens cost little beside them.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from model_adapters import ModelAdapter, Prefix, PromptRow
from vlrlcd.branch_cache import BranchCache
from vlrlcd.draws import pick
from vlrlcd.head import allowed_logprobs
from vlrlcd.sampling import Draw, SamplingSettings, Start, read_prefixes

SEGMENT = 128
"""Tokens of an answer that the cache gets room for at a time; with more room the step is captured anew."""
LOOK_EVERY = 16
"""Steps after which the host looks whose answers have all ended."""
ALIGNED = 8
"""A mask whose rows are no multiple of this is copied by PyTorch's kernels at every step."""


@torch.no_grad()
def sample(
    adapter: ModelAdapter, rows: Sequence[PromptRow], settings: SamplingSettings, uniforms_BKT: np.ndarray, width: int
) -> list[list[Draw]]:
    """As `sampling.sample`, the same draws from the same numbers.

    Args:
        adapter: the model.
        rows: B prompts.
        settings: K branches and how they are drawn.
        uniforms_BKT: a number in [0, 1) for every token that may be drawn.
        width: prompts written at a time.
    """
    stream = _Stream(adapter, rows, settings, uniforms_BKT, min(width, len(rows)))
    try:
        while stream.fill():
            stream.run()
    finally:
        # the step holds the stream and the stream the step: together they would keep the cache until a collection
        stream.step = None
    return stream.drawn


class _Stream:
    """W places, each for a prompt that is being written.

    Attributes:
        drawn: the answers of every prompt, filled as they end.
        prompt_W: which prompt stands at each place; None at one that is free.
        step_W: tokens of each answer drawn so far.
    """

    def __init__(self, adapter, rows, settings, uniforms_BKT, width):
        self.adapter, self.rows, self.settings, self.uniforms_BKT = adapter, rows, settings, uniforms_BKT
        self.device = adapter.model.get_input_embeddings().weight.device
        self.drawn: list[list[Draw]] = [[] for _ in rows]
        self.waiting = list(range(len(rows)))
        self.prompt_W: list[int | None] = [None] * width
        (_, K, T), W, device = uniforms_BKT.shape, width, self.device
        # all prefixes end at the same slot
        self.P = max(len(row.ids) for row in rows)
        self.P += -self.P % ALIGNED
        self.room = 0
        self.step_W = torch.zeros(W, dtype=torch.long, device=device)
        self.uniforms_WKT = torch.zeros(W, K, T, dtype=torch.float64, device=device)
        self.ids_WKT = torch.zeros(W, K, T, dtype=torch.long, device=device)
        self.logps_WKT = torch.zeros(W, K, T, device=device)
        self.open_WK = torch.zeros(W, K, dtype=torch.bool, device=device)
        self.stop_N = torch.tensor(adapter.stop_ids, dtype=torch.long, device=device)
        self.prefix: Prefix | None = None
        self.cache = BranchCache()
        self.step: Callable[[], None] | None = None

    def fill(self) -> bool:
        """Takes out what has ended and puts waiting prompts in its place; False when everything is written."""
        while True:
            step_W, open_W = self.step_W.tolist(), self.open_WK.any(-1).tolist()
            for place, prompt in enumerate(self.prompt_W):
                if prompt is not None and not (open_W[place] and step_W[place] < self.settings.max_new_tokens):
                    self._take_out(place, step_W[place])
            free = [place for place, prompt in enumerate(self.prompt_W) if prompt is None]
            if not (self.waiting and free):
                return len(free) < len(self.prompt_W)
            # and look again: a first token may end an answer
            self._put_in(free[: len(self.waiting)])

    def _take_out(self, place: int, length: int) -> None:
        ids_KT, logps_KT = (kept[place, :, :length].tolist() for kept in (self.ids_WKT, self.logps_WKT))
        ends = set(self.adapter.stop_ids)
        answers = [_until_the_end(ids, logps, ends) for ids, logps in zip(ids_KT, logps_KT, strict=True)]
        self.drawn[self.prompt_W[place]], self.prompt_W[place] = answers, None
        self.open_WK[place] = False

    def _put_in(self, places: list[int]) -> None:
        prompts, self.waiting = self.waiting[: len(places)], self.waiting[len(places) :]
        batch = self.adapter.collate([self.rows[prompt] for prompt in prompts]).to(self.device)
        start, index = read_prefixes(self.adapter, batch), torch.tensor(places, device=self.device)
        self._keep_prefixes(start, index)
        for place, prompt in zip(places, prompts, strict=True):
            self.prompt_W[place] = prompt
            self.uniforms_WKT[place] = torch.from_numpy(self.uniforms_BKT[prompt]).to(self.device)
        self.step_W[index] = 0
        self.open_WK[index] = True
        K = self.settings.branches
        self._write(index, *self._picked(start.logprobs_BV.repeat_interleave(K, dim=0), index))

    def _keep_prefixes(self, start: Start, index: Tensor) -> None:
        """Copies prefixes to their places, padding on the left."""
        W, more = len(self.prompt_W), self.P - start.prefix.mask_BP.shape[1]
        if self.prefix is None:
            axes = start.prefix.positions.shape[:-2]
            positions = start.prefix.positions.new_zeros(*axes, W, self.P)
            # a place that nothing has stood at yet sees itself, so that no softmax is over nothing
            mask_WP = torch.ones(W, self.P, dtype=torch.bool, device=self.device)
            nothing = start.prefix.embeds_BPH[:0], start.prefix.is_image_BP[:0]
            self.prefix = Prefix(nothing[0], mask_WP, positions, nothing[1])
        pad = torch.nn.functional.pad
        self.prefix.mask_BP[index] = pad(start.prefix.mask_BP, (more, 0))
        self.prefix.positions[..., index, :] = pad(start.prefix.positions, (more, 0))
        self.cache.copy_prefixes(start.cache, index, W, more)

    def run(self) -> None:
        """Some steps of all places, then it is time to look."""
        drawn = zip(self.step_W.tolist(), self.prompt_W, strict=True)
        written = [step for step, prompt in drawn if prompt is not None]
        longest, steps = max(written), min(LOOK_EVERY, self.settings.max_new_tokens - min(written))
        if longest + steps > self.room and self.room < self.settings.max_new_tokens:
            self.room = min(self.settings.max_new_tokens, max(self.room + SEGMENT, longest + steps))
            self.step = self._stepper()
        for _ in range(steps):
            self.step()

    def _stepper(self) -> Callable[[], None]:
        """What makes one step, with room for `room` tokens of each answer."""
        K, W, device, T = self.settings.branches, len(self.prompt_W), self.device, self.settings.max_new_tokens
        self.cache.reserve(self.P + K * self.room + -(K * self.room) % ALIGNED)
        branch_K, place_W1 = torch.arange(K, device=device), torch.arange(W, device=device)[:, None]
        slot_S = torch.arange(self.cache.capacity, device=device) - self.P
        own_KS = (slot_S >= 0) & (slot_S % K == branch_K[:, None])
        prefix_WS = torch.nn.functional.pad(self.prefix.mask_BP, (0, self.cache.capacity - self.P))
        slots_WK = torch.empty(W, K, dtype=torch.long, device=device)
        self.cache.write_to(place_W1, slots_WK)
        every = place_W1[:, 0]

        def one_step() -> None:
            prefix_WS[:, : self.P].copy_(self.prefix.mask_BP)
            # a place whose answers have ended stands still
            fed_W = (self.step_W - 1).clamp(0, T - 2)
            last_WK = self.ids_WKT.gather(2, fed_W[:, None, None].expand(-1, K, 1))[..., 0]
            slots_WK.copy_(self.P + fed_W[:, None] * K + branch_K)
            seen_W1S = (slot_S < (fed_W[:, None] + 1) * K)[:, None]
            sees_WKS = prefix_WS[:, None] | own_KS & seen_W1S
            positions = self.adapter.branch_positions(self.prefix, fed_W[:, None].expand(-1, K))
            embeds_WKH = self.adapter.embed_tokens(last_WK)
            hidden_WKH = self.adapter.decode_states(embeds_WKH, positions, sees_WKS[:, None], self.cache)
            self._write(every, *self._picked(allowed_logprobs(self.adapter, hidden_WKH.flatten(0, 1)), every))

        if device.type != "cuda":
            return one_step
        return _Captured(one_step, (self.settings.temperature, self.settings.top_p, self.adapter.model.dtype))

    def _picked(self, logprobs_NV: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """The next token of every branch of some places and its log-prob, `[N]`."""
        K, T = self.settings.branches, self.settings.max_new_tokens
        at = self.step_W[index].clamp(max=T - 1)[:, None, None].expand(-1, K, 1)
        uniform_N = self.uniforms_WKT[index].gather(2, at).flatten()
        token_N = pick(logprobs_NV, uniform_N, self.settings.temperature, self.settings.top_p)
        return token_N, logprobs_NV.gather(-1, token_N[:, None])[:, 0]

    def _write(self, index: Tensor, token_N: Tensor, logp_N: Tensor) -> None:
        """Appends a token to every branch of those places that have not ended."""
        K, T = self.settings.branches, self.settings.max_new_tokens
        step_I = self.step_W[index]
        place_IK, branch_IK = index[:, None].expand(-1, K), torch.arange(K, device=self.device).expand(len(index), -1)
        at_IK = step_I.clamp(max=T - 1)[:, None].expand(-1, K)
        goes_on_I = (step_I < T) & self.open_WK[index].any(-1)
        for kept, new_N in ((self.ids_WKT, token_N), (self.logps_WKT, logp_N)):
            old_IK, new_IK = kept[place_IK, branch_IK, at_IK], new_N.view(-1, K)
            kept[place_IK, branch_IK, at_IK] = torch.where(goes_on_I[:, None], new_IK, old_IK)
        # torch.isin would wait for the host where many tokens end an answer
        ends_IK = (token_N[:, None] == self.stop_N).any(-1).view(-1, K)
        self.open_WK[index] = self.open_WK[index] & ~ends_IK
        self.step_W[index] = step_I + goes_on_I


class _Captured:
    """A step that changes tensors in place, recorded and replayed."""

    prepared: ClassVar[set[tuple]] = set()
    """What steps have run in this process as they are: kernels prepare themselves when they are first used."""
    stream: ClassVar[Any] = None

    def __init__(self, one_step: Callable[[], None], kind: tuple):
        """`kind`: steps of one kind launch the same kernels."""
        self.one_step, self.kind, self.graph = one_step, kind, None
        _Captured.stream = _Captured.stream or torch.cuda.Stream()

    def __call__(self) -> None:
        if self.kind not in self.prepared:
            self._aside(self.one_step)
            self.prepared.add(self.kind)
            return
        if not self.graph:
            self.graph = torch.cuda.CUDAGraph()
            self._aside(self._record)
        self.graph.replay()

    def _record(self) -> None:
        # other threads, which prepare prompts or watch a collective, may go on with what they do
        self.graph.capture_begin(capture_error_mode="thread_local")
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
