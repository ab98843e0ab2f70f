"""What fits on which GPU, by arithmetic, not by measurement.

    python -m benchmarks.memory
    python -m benchmarks.memory --measured      # beside the peaks that benchmarks.step measured on a GPU

The arithmetic is `vlrlcd/planner.py`'s, here for shapes of students that nobody has to have: bfloat16, activations
recomputed (a layer's input kept per layer, one layer recomputed), stage II with one prompt at a time in each process. A
cell is GiB a GPU and the smallest card that this leaves a tenth of free; a second figure is CPU memory a process.
`scripts/doctor.py` does it for a configuration.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlrlcd.engine.deepspeed_json import SHIPPED, read_deepspeed_json
from vlrlcd.planner import GIB, USABLE, Decoder, Plan, Sharding, Weights, Work

RUNS = ((1, "zero2"), (1, "zero2_offload"), (8, "zero2"), (8, "zero3"), (8, "zero3_offload"))
"""Processes, one a GPU, and the DeepSpeed file."""


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
    Shape("Qwen2.5-VL-3B", Decoder(36, 2048, 11008, 256, 151936), 0.67e9),
    Shape("LLaVA-1.5-13B", Decoder(40, 5120, 13824, 5120, 32064), 0.32e9),
)
WORKLOADS = {"llava_1_5_7b": SHAPES[0], "qwen2_5_vl_3b": SHAPES[1]}
"""What `benchmarks/step.py` calls them."""
RESULTS = Path(__file__).parent / "results"
CARDS_GIB = (24, 40, 48, 80, 141)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt-tokens", type=int, default=700)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--answer-tokens", type=int, default=128)
    parser.add_argument("--lora-rank", type=int, default=16)
    parser.add_argument(
        "--measured", action="store_true", help="what GPUs took, and what is computed for the same work"
    )
    args = parser.parse_args()
    if args.measured:
        print("| student | prompts | activations | computed, GiB | measured, GiB |\n" + "| --- " * 5 + "|")
        for name, prompts, recomputed, computed, measured in beside_measurements(args.lora_rank):
            kept = "recomputed" if recomputed else "kept"
            print(f"| {name} | {prompts} | {kept} | {computed / GIB:.1f} | {measured / GIB:.1f} |")
        return
    work = Work(args.prompt_tokens, args.answer_tokens, args.candidates)
    print(f"computed, not measured: bfloat16, one group of {work.learned} tokens at a time in each process\n")
    heads = [f"{count} GPU{'s' if count > 1 else ''}, {sheet}" for count, sheet in RUNS]
    print(f"| student | tuning | {' | '.join(heads)} |\n" + "| --- " * (2 + len(RUNS)) + "|")
    for shape in SHAPES:
        for tuning in ("lora", "full"):
            plan = Plan(shape.weights(tuning, args.lora_rank), shape.decoder, element=2, recomputed=True)
            print(f"| {shape.name} | {tuning} | {' | '.join(cell(plan, work, *run) for run in RUNS)} |")


def beside_measurements(rank: int) -> Iterator[tuple[str, int, bool, float, float]]:
    """Student, prompts of a step, whether activations were recomputed, bytes as computed and as measured."""
    for path in sorted(RESULTS.glob("h200_*_ours.json")):
        found = json.loads(path.read_text())
        shape, recomputed = WORKLOADS[found["workload"]], found["recompute"]
        plan = Plan(shape.weights(found["tuning"], rank), shape.decoder, element=2, recomputed=recomputed)
        work = Work(found["prompt_tokens"], found["answer_tokens"], found["candidates"], found["prompts"])
        yield shape.name, found["prompts"], recomputed, plan.device(Sharding(0), work), found["ours"]["peak"]


def cell(plan: Plan, work: Work, processes: int, sheet: str) -> str:
    by = Sharding.of(read_deepspeed_json(SHIPPED / f"{sheet}.json"), processes)
    needed, host = plan.device(by, work) / GIB, plan.state(by)[1] / GIB
    card = next((f"{card} GB" for card in CARDS_GIB if needed <= USABLE * card), "none")
    return f"{needed:.0f}: {card}" + (f" + {host:.0f}" if host else "")


if __name__ == "__main__":
    main()
