"""Tiny open_clip models with random weights, as folders in open_clip's own format."""

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

VISION = {"image_size": 24, "patch_size": 8, "width": 16, "head_width": 8, "layers": 2}
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 2}
CLIP = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
COCA = {
    "embed_dim": 16,
    "vision_cfg": {**VISION, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
    "text_cfg": {**TEXT, "width": 16, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**TEXT, "width": 16, "attn_pooler_heads": 2},
    "custom_text": True,
}


def tiny_open_clip(folder: Path, config: dict, seed: int = 0) -> Path:
    """Writes open_clip_config.json and open_clip_model.safetensors; large weights, so that images tell apart."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    rng = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(std=1.0, generator=rng)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def tiny_clip(folder: Path, seed: int = 0) -> Path:
    """Tags."""
    return tiny_open_clip(folder, CLIP, seed)


def tiny_coca(folder: Path, seed: int = 0) -> Path:
    """Captions."""
    return tiny_open_clip(folder, COCA, seed)
