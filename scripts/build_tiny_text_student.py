"""Builds checkpoints/tiny-text-scenes, the text-only student of configs/quickstart_text.yaml, from nothing.

    python scripts/build_tiny_text_student.py --out checkpoints/tiny-text-scenes

A Llama of half a million parameters is pretrained on the lessons of build_tiny_student.py, with what the eyes say of a
drawing in the drawing's place. Same seed, same machine kind, same torch: same weights.
"""

import argparse
import time
from pathlib import Path

import torch
from build_tiny_student import LessonBook, build_tokenizer, pretrain
from tqdm import tqdm
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from model_adapters import PromptRow, adapter_for
from model_adapters.eyes import Describer
from vlrlcd.data.example import Message
from vlrlcd.data.labels import label_groups
from vlrlcd.scenes.draw import draw
from vlrlcd.scenes.lessons import Lesson, lesson

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' + message['content'] }}"
    "{{ '\n' if message['role'] == 'user' else '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
HIDDEN, DESCRIBED_AT_ONCE = 96, 64
CAPTIONS_FIRST = 0.05
"""Share of the steps in which descriptions are only told again, which is learned at once."""


class DescribedBook(LessonBook):
    """Lessons about descriptions of scenes."""

    def describe_all(self, describer: Describer) -> None:
        scenes, self.descriptions = [scene for scene, _ in self.posed], []
        for start in tqdm(range(0, len(scenes), DESCRIBED_AT_ONCE), desc="describing scenes"):
            part = scenes[start : start + DESCRIBED_AT_ONCE]
            self.descriptions += describer.describe([draw(scene) for scene in part])

    def _lesson(self, index: int, captions_only: bool) -> Lesson:
        templates = self.templates.described(lambda _: self.descriptions[index])
        return lesson(*self.posed[index], templates, self.rng, captions_only)

    def _prompt(self, index: int, messages: list[Message]) -> PromptRow:
        return PromptRow(self.adapter.encode_text(messages, ()), {}, ())


def build_untrained(folder: Path, texts: list[str], vocabulary: int, seed: int) -> None:
    """Writes the checkpoint with random weights: model, tokenizer and chat template."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer(texts, vocabulary)
    tokenizer.chat_template = CHAT_TEMPLATE
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        **ids,
    )
    model = LlamaForCausalLM(config)
    # as in build_tiny_student.py: the default of 0.02 suits wide layers
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.xavier_uniform_(module.weight)
    model.generation_config = GenerationConfig(**ids)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("checkpoints/tiny-text-scenes"))
    parser.add_argument("--eyes", type=Path, default=Path("checkpoints/tiny-clip-scenes"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=20000)
    parser.add_argument("--steps", type=int, default=1900)
    parser.add_argument("--batch-size", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--vocabulary", type=int, default=512)
    args = parser.parse_args()
    started = time.time()
    book = DescribedBook(None, args.scenes, args.seed)
    book.describe_all(Describer(str(args.eyes), label_groups(args.eyes / "labels.yaml")))
    build_untrained(args.out, book.texts(), args.vocabulary, args.seed)
    book.adapter = adapter_for(args.out).load_model(torch.float32)
    pretrain(book.adapter, book, args.steps, args.batch_size, args.rate, CAPTIONS_FIRST)
    book.adapter.save(args.out)
    size = sum(file.stat().st_size for file in args.out.iterdir())
    print(f"{args.out}: {size / 2**20:.1f} MiB, {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
