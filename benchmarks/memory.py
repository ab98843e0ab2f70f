"""What fits on which GPU, by arithmetic, not by measurement.

    python -m benchmarks.memory

The arithmetic is `vlrlcd/planner.py`'s, here for shapes of students that nobody has to have: bfloat16, activation
checkpointing (a layer's input kept per layer, one layer recomputed), one process under configs/deepspeed/zero2.json.
`scripts/doctor.py` does it for a configuration.
"""

import argparse
from dataclasses import dataclass

from vlrlcd.engine.deepspeed_json import SHIPPED, read_deepspeed_json
from vlrlcd.planner import GIB, USABLE, Decoder, Plan, Sharding, Weights, Work

SHEET = "zero2.json"


@dataclass(frozen=True)
class Shape:
    """A decoder and everything beside it that is frozen."""

    name: str
    decoder: Decoder
    tower_parameters: float

    @property
    def trained(self) -> float:
        """Parameters of decoder, embeddings and head."""
        size = self.decoder
        attention = 2 * size.hidden * (size.hidden + size.key_value)
        return size.layers * (attention + 3 * size.hidden * size.intermediate) + 2 * size.vocabulary * size.hidden

    def lora(self, rank: int) -> float:
        """Parameters that LoRA adds to the seven linear layers of each decoder layer."""
        size = self.decoder
        ends = 4 * size.hidden + 2 * (size.hidden + size.key_value) + 3 * (size.hidden + size.intermediate)
        return size.layers * rank * ends

    def weights(self, tuning: str, rank: int) -> Weights:
        """What trains and what is kept; full tuning keeps a reference beside it."""
        if tuning == "lora":
            return Weights(self.lora(rank), self.tower_parameters + self.trained)
        return Weights(self.trained, self.tower_parameters, self.trained + self.tower_parameters)


SHAPES = (
    Shape("LLaVA-1.5-7B", Decoder(32, 4096, 11008, 4096, 32064), 0.32e9),
    Shape("LLaVA-1.5-13B", Decoder(40, 5120, 13824, 5120, 32064), 0.32e9),
)
CARDS_GIB = (24, 40, 48, 80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt-tokens", type=int, default=700)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--answer-tokens", type=int, default=128)
    parser.add_argument("--lora-rank", type=int, default=16)
    args = parser.parse_args()
    work = Work(args.prompt_tokens, args.answer_tokens, args.candidates)
    by = Sharding.of(read_deepspeed_json(SHIPPED / SHEET), processes=1)
    print(f"computed, not measured; one GPU, bfloat16, {SHEET}, one group of {work.learned} tokens at a time\n")
    print("| student | tuning | GiB | fits on |\n| --- | --- | --- | --- |")
    for shape in SHAPES:
        for tuning in ("lora", "full"):
            plan = Plan(shape.weights(tuning, args.lora_rank), shape.decoder, element=2, recomputed=True)
            needed = plan.device(by, work) / GIB
            card = next((f"{card} GB" for card in CARDS_GIB if needed <= USABLE * card), "no single GPU")
            print(f"| {shape.name} | {tuning} | {needed:.0f} | {card} |")


if __name__ == "__main__":
    main()
