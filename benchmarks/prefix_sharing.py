"""One prefix with K branches against K separate rows through the stock model, in one run.

    python -m benchmarks.prefix_sharing --threads 2 --out prefix_sharing.json

Training is the forward and backward pass of the token log-probs, scoring the forward pass without gradients, sampling
the writing of a fixed number of tokens for each of K answers.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import transformers
from torch import Tensor

from benchmarks.model import RandomLlava
from benchmarks.timing import Timing, take_turns
from model_adapters import PromptBatch
from vlrlcd.head import token_logps
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.sampling import SamplingSettings, sample, uniforms

FIRST_WORD = 10
"""Ids below stand for control tokens and the image placeholder."""


class Workload:
    """The same prompts and answers for both sides."""

    def __init__(self, args: argparse.Namespace):
        rng = np.random.default_rng(0)
        longest = args.image_tokens + args.text_tokens + args.answer_tokens
        self.adapter = RandomLlava(args.image_tokens, longest)
        words = self.adapter.config.text_config.vocab_size - FIRST_WORD
        texts = FIRST_WORD + rng.integers(words, size=(args.prompts, args.text_tokens))
        images = np.full((args.prompts, args.image_tokens), self.adapter.config.image_token_id)
        ids_BP = torch.from_numpy(np.concatenate([texts[:, :4], images, texts[:, 4:]], axis=1))
        pixels = torch.randn(args.prompts, 3, self.adapter.pixels, self.adapter.pixels)
        stands_BP = torch.ones_like(ids_BP, dtype=torch.bool)
        self.batch = PromptBatch(ids_BP, stands_BP, {"pixel_values": pixels}, images.size, padded=False)
        shape = (args.prompts, args.branches, args.answer_tokens)
        self.answers_BKT = torch.from_numpy(FIRST_WORD + rng.integers(words, size=shape))
        self.settings = SamplingSettings(args.branches, args.answer_tokens)
        self.uniforms = uniforms(0, 0, [str(b) for b in range(args.prompts)], self.settings)

    def shared_logps(self) -> Tensor:
        branches = pack([[tuple(y) for y in row] for row in self.answers_BKT.tolist()])
        states = predicting_states(self.adapter, self.batch, branches)
        return token_logps(self.adapter, states, branches.target_N)

    def separate_logps(self) -> Tensor:
        B, K, T = self.answers_BKT.shape
        ids = torch.cat([self.batch.ids_BP.repeat_interleave(K, dim=0), self.answers_BKT.reshape(B * K, T)], dim=1)
        pixels = self.batch.images["pixel_values"].repeat_interleave(K, dim=0)
        logits = self.adapter.model(
            input_ids=ids,
            pixel_values=pixels,
            attention_mask=torch.ones_like(ids),
            use_cache=False,
            logits_to_keep=T + 1,
        ).logits[:, :-1]
        logits[..., list(self.adapter.placeholder_ids)] = -torch.inf
        return logits.log_softmax(-1).gather(-1, ids[:, -T:, None]).flatten()

    def train(self, logps) -> None:
        self.adapter.model.zero_grad()
        logps().mean().backward()

    def sample(self) -> None:
        draws = sample(self.adapter, self.batch, self.settings, self.uniforms)
        assert all(len(draw.ids) == self.settings.max_new_tokens for row in draws for draw in row)

    def generate(self) -> None:
        written = self.adapter.model.generate(
            input_ids=self.batch.ids_BP,
            attention_mask=self.batch.mask_BP.long(),
            pixel_values=self.batch.images["pixel_values"],
            do_sample=True,
            top_k=0,
            num_return_sequences=self.settings.branches,
            min_new_tokens=self.settings.max_new_tokens,
            max_new_tokens=self.settings.max_new_tokens,
            suppress_tokens=list(self.adapter.placeholder_ids),
            eos_token_id=None,
            pad_token_id=0,
        )
        assert written.shape[1] == self.batch.ids_BP.shape[1] + self.settings.max_new_tokens


def contests(work: Workload) -> dict[str, dict]:
    scoring = torch.no_grad()
    return {
        "training": {
            "shared": lambda: work.train(work.shared_logps),
            "stock": lambda: work.train(work.separate_logps),
        },
        "scoring": {"shared": scoring(work.shared_logps), "stock": scoring(work.separate_logps)},
        "sampling": {"shared": work.sample, "stock": work.generate},
    }


def table(results: dict[str, dict[str, Timing]]) -> str:
    lines = [f"{'seconds (lowest-highest)':<26}{'one prefix, K branches':<24}{'K rows, stock':<24}ratio"]
    for name, timings in results.items():
        ratio = timings["stock"].median / timings["shared"].median
        lines.append(f"{name:<26}{timings['shared']!s:<24}{timings['stock']!s:<24}{ratio:.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=2)
    parser.add_argument("--image-tokens", type=int, default=576)
    parser.add_argument("--text-tokens", type=int, default=24)
    parser.add_argument("--branches", type=int, default=8)
    parser.add_argument("--answer-tokens", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    work = Workload(args)

    parameters = sum(p.numel() for p in work.adapter.model.parameters())
    with torch.no_grad():
        difference = (work.shared_logps() - work.separate_logps()).abs().max().item()
    if difference > 1e-5:
        raise SystemExit(f"log-probs differ by {difference:.1e}, more than 1e-5: nothing to compare")
    print(
        f"LLaVA with {parameters / 1e6:.1f} million parameters, float32, {args.threads} threads; "
        f"{args.prompts} prompts of {work.batch.ids_BP.shape[1]} tokens ({args.image_tokens} image), "
        f"K = {args.branches}, {args.answer_tokens} answer tokens; log-probs equal within {difference:.1e}; "
        f"median of {args.repeats}"
    )
    results = {name: take_turns(contestants, args.repeats) for name, contestants in contests(work).items()}
    print(table(results))
    if args.out:
        figures = {name: {side: t.seconds for side, t in timings.items()} for name, timings in results.items()}
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        asked = {key: value for key, value in vars(args).items() if key != "out"}
        report = {"asked": asked, "parameters": parameters, "difference": difference, **versions, "seconds": figures}
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
