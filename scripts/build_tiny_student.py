"""Builds checkpoints/tiny-llava-scenes, the student of the quickstart, from nothing.

    python scripts/build_tiny_student.py --out checkpoints/tiny-llava-scenes

A LLaVA of half a million parameters is pretrained on drawn scenes of the `pretrain` split (vlrlcd/scenes/lessons.py
says on what). Same seed, same machine kind, same torch: same weights.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from model_adapters import ModelAdapter, PromptRow, Tokens, adapter_for
from vlrlcd.data.card import load_card
from vlrlcd.data.example import Message
from vlrlcd.data.prompts import Templates
from vlrlcd.head import token_logps
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.scenes.draw import draw
from vlrlcd.scenes.lessons import Lesson, lesson
from vlrlcd.scenes.questions import pose
from vlrlcd.scenes.world import COLOURS, SHAPES, SIZES, Scene

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>' }}{% else %}{{ part['text'] }}"
    "{% endif %}{% if not loop.last %}{{ '\n' }}{% endif %}{% endfor %}"
    "{{ '\n' if message['role'] == 'user' else '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
PIXELS, PATCH, HIDDEN, TOWER = 32, 16, 64, 128
CAPTIONS_FIRST = 0.2
"""Share of the steps in which pictures are only described: questions are learned fast once the cells have names."""
WARMUP, DECAY = 50, 0.4
POOL = 8
ATTRIBUTES = {"colour": COLOURS, "shape": SHAPES, "size": SIZES}
EXTRA_WORDS = " USER: ASSISTANT: Yes No yes no A B C D"
Row = tuple[PromptRow, Tokens]


def build_tokenizer(texts: list[str], size: int, placeholders: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """A byte-level BPE: any text survives it, and the words of the scenes are one token each."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<s>", "</s>", *placeholders]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=list(placeholders),
        model_max_length=1024,
    )


def build_untrained(folder: Path, texts: list[str], vocabulary: int, seed: int) -> None:
    """Writes the checkpoint with random weights: model, processor and chat template."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer(texts, vocabulary, ("<image>",))
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": PIXELS},
        crop_size={"height": PIXELS, "width": PIXELS},
        resample=2,
        image_mean=[0.9] * 3,
        image_std=[0.25] * 3,
    )
    processor = LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )
    vision = CLIPVisionConfig(
        hidden_size=TOWER,
        intermediate_size=4 * TOWER,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=PIXELS,
        patch_size=PATCH,
        projection_dim=HIDDEN,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=192,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        image_seq_length=(PIXELS // PATCH) ** 2,
    )
    model = LlavaForConditionalGeneration(config)
    # the default of 0.02 suits wide layers; at 64 wide the image would stay invisible behind its constant part
    for module in model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            torch.nn.init.xavier_uniform_(module.weight.flatten(1))
    model.generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


class LessonBook:
    """Scenes drawn once, lessons about them drawn anew at every visit."""

    def __init__(self, adapter: ModelAdapter | None, scenes: int, seed: int):
        self.templates = Templates(load_card("aokvqa_mc"))
        self.rng = np.random.default_rng(seed)
        self.posed = [pose("pretrain", self.rng) for _ in tqdm(range(scenes), desc="posing questions")]
        self.adapter = adapter
        self.pixels: list[dict[str, torch.Tensor]] = []

    def texts(self) -> list[str]:
        lessons = [self._lesson(index, captions_only=False) for index in range(len(self.posed))]
        words = [part["text"] for le in lessons for m in le.messages for part in m["content"] if part["type"] == "text"]
        return words + [f" {le.answer}" for le in lessons] + [EXTRA_WORDS] * 50

    def draw_all(self, adapter: ModelAdapter) -> None:
        self.adapter = adapter
        drawings = (draw(scene) for scene, _ in tqdm(self.posed, desc="drawing scenes"))
        self.pixels = [adapter.encode_images([drawing]) for drawing in drawings]

    def batches(self, size: int, captions_only: bool) -> Iterator[list[Row]]:
        """Batches of rows of similar length: a pool is drawn, sorted, cut and shuffled, again and again."""
        while True:
            pool = [self._row(i, captions_only) for i in self.rng.integers(len(self.posed), size=POOL * size)]
            pool.sort(key=lambda row: len(row[0].ids) + len(row[1]))
            for cut in self.rng.permutation(POOL):
                yield pool[cut * size : (cut + 1) * size]

    def _row(self, index: int, captions_only: bool) -> Row:
        learned = self._lesson(index, captions_only)
        return self._prompt(index, learned.messages), self.adapter.encode_answer(learned.answer)

    def _lesson(self, index: int, captions_only: bool) -> Lesson:
        return lesson(*self.posed[index], self.templates, self.rng, captions_only)

    def _prompt(self, index: int, messages: list[Message]) -> PromptRow:
        images = tuple(self.adapter.image_ids([(PIXELS, PIXELS)]))
        return PromptRow(self.adapter.encode_text(messages, images), self.pixels[index], images)


def rise_and_fall(
    optimiser: torch.optim.Optimizer, steps: int, decay: float = DECAY
) -> torch.optim.lr_scheduler.LambdaLR:
    """The rate rises over WARMUP steps and falls over the last `decay` of all."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / WARMUP, (steps - step) / (decay * steps))
    )


def teach_tower(adapter: ModelAdapter, book: LessonBook, steps: int, batch_size: int, rate: float) -> None:
    """Teaches the image tower what stands in each cell, as the towers of real students come pretrained, too."""
    tower = adapter.model.get_submodule(adapter.modules["vision_tower"][0])
    pixels = {key: torch.cat([drawing[key] for drawing in book.pixels]) for key in book.pixels[0]}
    cells_MCA = torch.tensor([cell_contents(scene) for scene, _ in book.posed])
    heads = torch.nn.ModuleList(torch.nn.Linear(TOWER, len(words) + 1) for words in ATTRIBUTES.values())
    optimiser = torch.optim.AdamW([*tower.parameters(), *heads.parameters()], lr=rate)
    schedule = rise_and_fall(optimiser, steps)
    bar = tqdm(range(steps), desc="teaching the tower", mininterval=5)
    for _ in bar:
        chosen = torch.from_numpy(book.rng.integers(len(book.posed), size=batch_size))
        features_BCH = tower(**{key: values[chosen] for key, values in pixels.items()}).last_hidden_state[:, 1:]
        losses = [
            torch.nn.functional.cross_entropy(head(features_BCH).flatten(0, 1), cells_MCA[chosen, :, i].flatten())
            for i, head in enumerate(heads)
        ]
        sum(losses).backward()
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        bar.set_postfix({name: f"{loss.item():.3f}" for name, loss in zip(ATTRIBUTES, losses)})


def cell_contents(scene: Scene) -> list[list[int]]:
    """For each cell in reading order the index of each attribute, 0 where the cell is empty."""
    found = {one.cell: one for one in scene.objects}
    return [
        [1 + words.index(getattr(found[cell], name)) if cell in found else 0 for name, words in ATTRIBUTES.items()]
        for cell in product(range(scene.grid), repeat=2)
    ]


def pretrain(
    adapter: ModelAdapter, book: LessonBook, steps: int, batch_size: int, rate: float, captions_first: float
) -> None:
    """Cross-entropy on the answers of the lessons, captions first."""
    trained = [parameter for parameter in adapter.model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
    schedule = rise_and_fall(optimiser, steps)
    bar = tqdm(range(steps), desc="pretraining", mininterval=10)
    captions, everything = (book.batches(batch_size, captions_only=only) for only in (True, False))
    for step in bar:
        rows = next(captions if step < captions_first * steps else everything)
        branches = pack([[answer] for _, answer in rows])
        hidden_NH = predicting_states(adapter, adapter.collate([prompt for prompt, _ in rows]), branches)
        loss = -token_logps(adapter, hidden_NH, branches.target_N).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("checkpoints/tiny-llava-scenes"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=20000)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--tower-steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--vocabulary", type=int, default=512)
    args = parser.parse_args()
    started = time.time()
    book = LessonBook(None, args.scenes, args.seed)
    build_untrained(args.out, book.texts(), args.vocabulary, args.seed)
    adapter = adapter_for(args.out).load_model(torch.float32)
    book.draw_all(adapter)
    teach_tower(adapter, book, args.tower_steps, 4 * args.batch_size, args.rate / 2)
    # left to train at this rate, the tower loses the shapes again before the decoder has words for them
    adapter.model.get_submodule(adapter.modules["vision_tower"][0]).requires_grad_(False)
    pretrain(adapter, book, args.steps, args.batch_size, args.rate, CAPTIONS_FIRST)
    adapter.save(args.out)
    size = sum(file.stat().st_size for file in args.out.iterdir())
    print(f"{args.out}: {size / 2**20:.1f} MiB, {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
