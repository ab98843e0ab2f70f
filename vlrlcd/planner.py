"""How much memory a step of stage II takes in each process, by arithmetic, not by measurement.

Weights, gradients, optimiser and reference by their bytes per parameter, divided as ZeRO does; DeepSpeed's buffers; the
activations of what goes through at once; the sampling cache; one chunk of logits. Left out: the image tower's own
activations, LoRA's, the allocator's fragments, CUDA's context.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlrlcd.engine.deepspeed_json import section
from vlrlcd.head import CHUNK_LOGITS
from vlrlcd.prefix_branches import COPIED_BYTES

GIB = 2**30
USABLE = 0.9
"""Of a device's memory; a tenth is left to the framework and to fragmentation."""
MOST = 2**12
"""Where the search for the largest K ends."""
BUCKET, LIVE = 500_000_000, 1_000_000_000
"""DeepSpeed's own reduce_bucket_size and stage3_max_live_parameters, in elements."""


@dataclass(frozen=True)
class Weights:
    """Parameters that train, that are frozen, and of the frozen copy that p_sft is where a part trains in full."""

    trained: float
    frozen: float
    reference: float = 0

    @property
    def whole(self) -> float:
        return self.trained + self.frozen + self.reference


@dataclass(frozen=True)
class Decoder:
    """Sizes that activations and caches go by; `key_value` is the width of all keys of one token in one layer."""

    layers: int
    hidden: int
    intermediate: int
    key_value: int
    vocabulary: int


@dataclass(frozen=True)
class Sharding:
    """What the processes divide among them, and what lies in CPU memory; buffers and live weights in elements."""

    stage: int
    processes: int = 1
    optimiser_on_cpu: bool = False
    weights_on_cpu: bool = False
    buffers: float = 0
    live: float = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any], processes: int) -> "Sharding":
        """From a DeepSpeed JSON."""
        zero = section(settings, "zero_optimization")
        stage = zero.get("stage", 0)
        bucket = zero.get("reduce_bucket_size", BUCKET) if stage and zero.get("contiguous_gradients", True) else 0
        doubled = stage in (1, 2) and zero.get("overlap_comm", False)
        return cls(
            stage,
            processes,
            section(zero, "offload_optimizer").get("device", "none") != "none",
            section(zero, "offload_param").get("device", "none") != "none",
            bucket * (2 if doubled else 1),
            zero.get("stage3_max_live_parameters", LIVE) if stage == 3 else 0,
        )


@dataclass(frozen=True)
class Work:
    """What goes through at once: prompts of so many tokens, each with candidates of so many; `limit` as in `PassLimit`.

    `asked`: prompts of an evaluation.
    """

    prompt: int
    answer: int
    candidates: int
    prompts: int = 1
    limit: int = 0
    asked: int = 0

    @property
    def learned(self) -> int:
        """Tokens of a learning pass."""
        together = self.prompts * (self.prompt + self.candidates * self.answer)
        # a candidate with its prompt is never cut
        return min(together, max(self.limit, self.smallest)) if self.limit else together

    @property
    def branches(self) -> int:
        """Candidates of a learning pass."""
        return min(self.prompts * self.candidates, max(1, (self.learned - self.prompt) // self.answer))

    @property
    def cached(self) -> int:
        """Tokens whose keys and values sampling keeps, in training or in an evaluation."""
        drawn = self.prompts * (self.prompt + self.candidates * self.answer)
        return max(drawn, self.asked * self.smallest)

    @property
    def smallest(self) -> int:
        """Tokens of a prompt with one candidate."""
        return self.prompt + self.answer


@dataclass(frozen=True)
class Plan:
    """A student in a precision: bytes of an element, and whether the decoder's layers are recomputed."""

    weights: Weights
    decoder: Decoder
    element: int
    recomputed: bool

    def state(self, by: Sharding) -> tuple[float, float]:
        """Bytes of weights, gradients, optimiser and buffers of each process: (on its device, in CPU memory)."""
        trained = self.weights.trained
        # ZeRO keeps float32 weights beside both moments; without it AdamW steps on the weights themselves
        optimiser = 12 * trained / by.processes if by.stage else 2 * self.element * trained
        gradients = self.element * trained / (by.processes if by.stage > 1 else 1)
        device, host = self._weights(by)
        if by.optimiser_on_cpu:
            # gradients go there too, in float32
            host += optimiser + 4 * trained / by.processes
        else:
            device += optimiser + gradients
        return device + self.element * by.buffers, host

    def _weights(self, by: Sharding) -> tuple[float, float]:
        whole = self.element * self.weights.whole
        if by.stage < 3:
            return whole, 0
        live, share = min(self.element * by.live, whole), whole / by.processes
        return (live, share) if by.weights_on_cpu else (min(share + live, whole), 0)

    def passing(self, work: Work) -> float:
        """Bytes that the largest pass takes besides: to learn, or to sample."""
        size, tokens = self.decoder, work.learned
        # what a layer keeps: hidden states, norms, queries, keys, values and the MLP's four
        one_layer = self.element * tokens * (10 * size.hidden + 4 * size.intermediate) + self._copies(work)
        if self.recomputed:
            kept = self.element * tokens * size.hidden * size.layers + one_layer
        else:
            kept = size.layers * one_layer
        cache = 2 * self.element * work.cached * size.key_value * size.layers
        logits = 3 * 4 * min(CHUNK_LOGITS, tokens * size.vocabulary)
        return max(kept, cache) + logits

    def _copies(self, work: Work) -> float:
        """Bytes of the keys and values that every branch has of its prefix in a layer of a GPU; see `branch_layout`."""
        copied = 2 * self.element * self.decoder.hidden * work.branches * work.smallest
        return copied if copied <= COPIED_BYTES else 0

    def device(self, by: Sharding, work: Work) -> float:
        """Bytes of the device's memory at the peak, in each process."""
        return self.state(by)[0] + self.passing(work)

    def fits(self, by: Sharding, work: Work, memory: float) -> bool:
        """Whether the peak leaves a tenth of so many bytes free."""
        return self.device(by, work) <= USABLE * memory

    def largest_k(self, by: Sharding, work: Work, memory: float) -> int:
        """The largest K that fits into so many bytes, at most MOST; 0 if none does."""
        return _largest(lambda k: self.fits(by, replace(work, candidates=k), memory), MOST)

    def largest_limit(self, by: Sharding, work: Work, memory: float) -> int:
        """The largest engine.tokens_per_pass with which this work fits; 0 if none lets it."""
        whole = replace(work, limit=0).learned
        found = _largest(lambda tokens: self.fits(by, replace(work, limit=tokens), memory), whole)
        return found if found >= work.smallest else 0


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number from 1 to `most` that fits, where whatever is smaller fits too; 0 if none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
