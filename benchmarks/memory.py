"""What fits on which GPU, by arithmetic, not by measurement.

    python -m benchmarks.memory

Weights, gradients, optimiser and reference by their bytes per parameter; activations of one group with activation
checkpointing (a layer's input kept per layer, one layer recomputed); the sampling cache; one chunk of logits. bfloat16.
"""

import argparse
from dataclasses import dataclass

from vlrlcd.head import CHUNK_LOGITS

GIB = 2**30


@dataclass(frozen=True)
class Shape:
    """A decoder and everything beside it that is frozen."""

    name: str
    layers: int
    hidden: int
    intermediate: int
    key_value: int
    vocabulary: int
    tower_parameters: float

    @property
    def trained(self) -> float:
        """Parameters of decoder, embeddings and head."""
        attention = 2 * self.hidden * (self.hidden + self.key_value)
        return self.layers * (attention + 3 * self.hidden * self.intermediate) + 2 * self.vocabulary * self.hidden

    def lora(self, rank: int) -> float:
        """Parameters that LoRA adds to the seven linear layers of each decoder layer."""
        ends = 4 * self.hidden + 2 * (self.hidden + self.key_value) + 3 * (self.hidden + self.intermediate)
        return self.layers * rank * ends


SHAPES = (
    Shape("LLaVA-1.5-7B", 32, 4096, 11008, 4096, 32064, 0.32e9),
    Shape("LLaVA-1.5-13B", 40, 5120, 13824, 5120, 32064, 0.32e9),
)
CARDS_GIB = (24, 40, 48, 80)


def group_tokens(prompt: int, candidates: int, answer: int) -> int:
    """Tokens of one group on a shared prefix."""
    return prompt + candidates * answer


def gigabytes(shape: Shape, tuning: str, tokens: int, rank: int) -> float:
    """Peak of stage II in GiB for one group at a time."""
    trained = shape.trained if tuning == "full" else shape.lora(rank)
    frozen = shape.tower_parameters + (shape.trained if tuning == "lora" else 0)
    # bf16 weight and gradient, float32 master weight and two moments; full tuning keeps a bf16 reference beside it
    state = 16 * trained + 2 * frozen + (2 * shape.trained if tuning == "full" else 0)
    kept = 2 * tokens * shape.hidden * shape.layers
    one_layer = 2 * tokens * (8 * shape.hidden + 3 * shape.intermediate)
    cache = 2 * 2 * tokens * shape.key_value * shape.layers
    logits = 3 * 4 * CHUNK_LOGITS
    return (state + max(kept + one_layer, cache) + logits) / GIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt-tokens", type=int, default=700)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--answer-tokens", type=int, default=128)
    parser.add_argument("--lora-rank", type=int, default=16)
    args = parser.parse_args()
    tokens = group_tokens(args.prompt_tokens, args.candidates, args.answer_tokens)
    print(f"computed, not measured; one GPU, bfloat16, one group of {tokens} tokens at a time\n")
    print("| student | tuning | GiB | fits on |\n| --- | --- | --- | --- |")
    for shape in SHAPES:
        for tuning in ("lora", "full"):
            needed = gigabytes(shape, tuning, tokens, args.lora_rank)
            # a tenth is left to the framework and to fragmentation
            card = next((f"{card} GB" for card in CARDS_GIB if needed < 0.9 * card), "no single GPU; needs ZeRO")
            print(f"| {shape.name} | {tuning} | {needed:.0f} | {card} |")


if __name__ == "__main__":
    main()
