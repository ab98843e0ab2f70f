"""Builds checkpoints/tiny-clip-scenes, the eyes of the text-only quickstart, from nothing.

    python scripts/build_tiny_eyes.py --out checkpoints/tiny-clip-scenes

A CLIP of open_clip's architecture learns to tell, for each cell of a drawn scene, the label of what stands there from
the labels of all that could. Scenes are those of the `pretrain` split; the tags are tested on scenes of `val`. Same
seed, same machine kind, same torch: same weights.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import open_clip
import torch
import yaml
from build_tiny_student import rise_and_fall
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from vlrlcd.scenes.draw import draw
from vlrlcd.scenes.world import COLOURS, SHAPES, SIZES, Scene, places, sample_scene_of

GRID, PIXELS, PATCH = 2, 32, 16
EMPTY = "nothing"
LABELS = [*(" ".join(words) for words in product(SIZES, COLOURS, SHAPES)), EMPTY]
"""All that can be said of a cell."""
SPECIALS, BEGIN, END = ["<pad>", "<unk>"], "<begin>", "<end>"
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": PIXELS, "patch_size": PATCH, "width": 96, "head_width": 24, "layers": 3},
    "text_cfg": {"context_length": 16, "width": 64, "heads": 4, "layers": 2, "hf_tokenizer_name": "of this folder"},
}
PREPROCESS = {"mean": [0.9] * 3, "std": [0.25] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
DECAY = 0.5
Look = Callable[[Image.Image], Tensor]


def label_groups() -> list[dict]:
    """The content of labels.yaml: a group for each cell in reading order."""
    prompts = {place: f"a picture with {{}} at the {place}" for place in places(GRID)}
    return [{"title": place, "prompt": prompt, "labels": list(LABELS)} for place, prompt in prompts.items()]


def cell_labels(scene: Scene) -> list[int]:
    """For each cell in reading order the place of its label."""
    found = {one.cell: LABELS.index(one.full_name) for one in scene.objects}
    return [found.get(cell, LABELS.index(EMPTY)) for cell in product(range(GRID), repeat=2)]


def build_tokenizer(prompts: list[str]) -> PreTrainedTokenizerFast:
    """A word each; the end stands last in the vocabulary, because open_clip looks for the highest id."""
    words = sorted({word for prompt in prompts for word in prompt.split()})
    vocabulary = {word: place for place, word in enumerate([*SPECIALS, BEGIN, *words, END])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = [(mark, vocabulary[mark]) for mark in (BEGIN, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A {END}", special_tokens=marks)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token=BEGIN, eos_token=END
    )


def build_untrained(folder: Path, prompts: list[str], seed: int) -> tuple[open_clip.CLIP, Look]:
    """Writes configuration, tokenizer and labels. Returns the model, still random, and what it takes of an image."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(prompts)
    tokenizer.save_pretrained(folder)
    model_cfg = {**MODEL, "text_cfg": {**MODEL["text_cfg"], "vocab_size": len(tokenizer)}}
    config = {"model_cfg": model_cfg, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    labels = yaml.safe_dump(label_groups(), sort_keys=False, width=120)
    (folder / "labels.yaml").write_text(labels, encoding="utf-8")
    torch.manual_seed(seed)
    model, _, look = open_clip.create_model_and_transforms(f"local-dir:{folder}", load_weights=False)
    return model, look


def drawn(scenes: list[Scene], look: Look) -> Tensor:
    """Pixels of the scenes as the model takes them, `[M, 3, H, W]`."""
    return torch.stack([look(draw(scene)) for scene in tqdm(scenes, desc="drawing scenes")])


def cell_logits(model: open_clip.CLIP, pixels_B3HW: Tensor, tokens_GL: Tensor) -> Tensor:
    """Scaled cosine of each image with each label, `[B, cells, labels of a cell]`."""
    images_BD = model.encode_image(pixels_B3HW, normalize=True)
    texts_GD = model.encode_text(tokens_GL, normalize=True)
    return (model.logit_scale.exp() * images_BD @ texts_GD.T).unflatten(1, (GRID * GRID, -1))


def teach(model: open_clip.CLIP, scenes: list[Scene], look: Look, tokens_GL: Tensor, args: argparse.Namespace) -> None:
    """The contrastive loss from images to texts; a cell's negatives are all other labels of the cell."""
    pixels, targets_MC = drawn(scenes, look), torch.tensor([cell_labels(scene) for scene in scenes])
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01)
    schedule = rise_and_fall(optimiser, args.steps, DECAY)
    rng, bar = np.random.default_rng(args.seed), tqdm(range(args.steps), desc="teaching", mininterval=5)
    for _ in bar:
        chosen = torch.from_numpy(rng.integers(len(scenes), size=args.batch_size))
        logits_BCG = cell_logits(model, pixels[chosen], tokens_GL)
        loss = torch.nn.functional.cross_entropy(logits_BCG.flatten(0, 1), targets_MC[chosen].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")


@torch.no_grad()
def right_tags(model: open_clip.CLIP, scenes: list[Scene], look: Look, tokens_GL: Tensor) -> Tensor:
    """Whether each cell of each scene gets its label, `[M, cells]`."""
    found_MC = cell_logits(model, drawn(scenes, look), tokens_GL).argmax(-1)
    return found_MC == torch.tensor([cell_labels(scene) for scene in scenes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("checkpoints/tiny-clip-scenes"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=10000)
    parser.add_argument("--held-out", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3)
    args = parser.parse_args()
    started, rng = time.time(), np.random.default_rng(args.seed)
    prompts = [group["prompt"].format(label) for group in label_groups() for label in group["labels"]]
    model, look = build_untrained(args.out, prompts, args.seed)
    tokens_GL = open_clip.get_tokenizer(f"local-dir:{args.out}")(prompts)
    teach(model, [sample_scene_of("pretrain", rng, GRID) for _ in range(args.scenes)], look, tokens_GL, args)
    save_file({k: v.half() for k, v in model.state_dict().items()}, args.out / "open_clip_model.safetensors")
    saved = open_clip.create_model(f"local-dir:{args.out}", require_pretrained=True).eval()
    held_out = [sample_scene_of("val", rng, GRID) for _ in range(args.held_out)]
    right_MC = right_tags(saved, held_out, look, tokens_GL)
    size, seconds = sum(file.stat().st_size for file in args.out.iterdir()), time.time() - started
    print(f"{args.out}: {size / 2**20:.1f} MiB, {seconds:.0f} s")
    print(
        f"held-out scenes: {right_MC.float().mean():.1%} of the tags right, {right_MC.all(1).float().mean():.1%} whole"
    )


if __name__ == "__main__":
    main()
