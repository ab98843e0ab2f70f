"""A run folder as training leaves it, with made-up but plausible numbers."""

import json
import math
import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

PLANTED = "<script>alert(1)</script>"
LINK = '<img src="https://example.org/x.png">'
COLOURS = {"red": "#d62028", "green": "#249e3e", "blue": "#2654de", "purple": "#8c2ca8"}
CONFIG = """\
model:
  checkpoint: checkpoints/tiny-llava-scenes
  tuning: full
data:
  dataset: aokvqa_mc
  root: data/scenes
  train_limit: 64
anchors:
  style: terse
sampling:
  candidates: 8
ranking:
  scorer: likelihood
  control: none
stage2:
  method: ldl_grpo
provenance:
  versions: {torch: 2.13.0, transformers: 5.23.0, deepspeed: 0.19.8}
  git_commit: 3f1c9d2
  hardware: 2 CPU cores
  started: 2026-11-23 16:20:33
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run."""
    return write_run(tmp_path / "quickstart")


@pytest.fixture
def long_run(tmp_path: Path) -> Path:
    """A run of 4,000 steps."""
    return write_run(tmp_path / "long", 2000, 2000)


def write_run(folder: Path, stage1_steps: int = 40, stage2_steps: int = 60) -> Path:
    """Writes every file of a finished run and returns the folder."""
    draw = random.Random(7)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    _write_lines(folder / "metrics.jsonl", _metrics(draw, stage1_steps, stage2_steps))
    _write_lines(folder / "samples.jsonl", [_group(draw, folder, step) for step in range(1, stage2_steps + 1)])
    (folder / "eval.json").write_text(json.dumps({"scenes": {"val": _evaluation()}}))
    (folder / "run.json").write_text(json.dumps(_summary(stage1_steps, stage2_steps)))
    return folder


def _write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _metrics(draw, stage1_steps, stage2_steps):
    for step in range(1, stage1_steps + 1):
        yield {
            "stage": "stage1",
            "step": step,
            "loss": 1.6 * math.exp(-step / 12) + 0.2 + draw.gauss(0, 0.04),
            "lr": 3e-4 * (1 + math.cos(math.pi * step / stage1_steps)) / 2,
            "grad_norm": 1 + draw.random(),
            "seconds": {"train": 0.05 + draw.random() / 100},
            "tokens_per_s": 5200 + draw.gauss(0, 200),
        }
    for step in range(1, stage2_steps + 1):
        yield _stage2_step(draw, step, step / stage2_steps)


def _stage2_step(draw, step, progress):
    return {
        "stage": "stage2",
        "step": step,
        "loss": 0.9 - 0.4 * progress + draw.gauss(0, 0.05),
        "lr": 3e-4 * (1 + math.cos(math.pi * progress)) / 2,
        "grad_norm": 0.7 + draw.random() / 3,
        "seconds": {"sample": 0.3, "rank": 0.1, "train": 0.25 + draw.random() / 20},
        "tokens_per_s": 2100 + draw.gauss(0, 90),
        "ldl": 0.9 - 0.45 * progress + draw.gauss(0, 0.05),
        "kl": 0.04 * progress + draw.random() / 500,
        "effective_k_d": 2.9 + draw.gauss(0, 0.2),
        "effective_k_q": 6.9 - 3 * progress + draw.gauss(0, 0.2),
        "tied_share": draw.choice([0, 0, 1 / 16, 2 / 16]),
        "truncated_share": 0.0,
        "auc": None if 15 < step < 22 else min(1.0, 0.88 + draw.gauss(0, 0.04)),
        "candidate_accuracy": 0.45 + 0.3 * progress + draw.gauss(0, 0.04),
        "mean_length": 14 + 6 * progress + draw.gauss(0, 0.5),
        "own_measure": draw.random(),
    }


def _group(draw, folder, step):
    gold, wrong = draw.sample(sorted(COLOURS), 2)
    image = folder / "images" / f"{step:012}.jpg"
    _draw_scene(image, gold, wrong)
    weights = sorted((draw.random() ** 3 for _ in range(6)), reverse=True)
    candidates = [_candidate(draw, place, weight, weights, gold, wrong) for place, weight in enumerate(weights)]
    if step == 1:
        candidates[0]["text"] = f"{PLANTED} {LINK} The star is {gold}. Answer: {gold}"
    return {
        "stage": "stage2",
        "step": step,
        "id": f"22MexNkBPpdZGX6s{step:06}",
        "images": [str(image)],
        "question": "What colour is the object that is at the top left?",
        "choices": [*sorted(COLOURS)],
        "answer": gold,
        "anchor": f"Answer: {gold}",
        "anchor_score": -0.31,
        "candidates": draw.sample(candidates, len(candidates)),
    }


def _candidate(draw, place, weight, weights, gold, wrong):
    correct = place < 3
    colour = gold if correct else wrong
    return {
        "text": f"At the top left there is a small {colour} circle, next to a square. Answer: {colour}",
        "score": -0.4 - place / 3,
        "r": 0.1 - place / 3,
        "D": weight / sum(weights),
        "q": 1 / len(weights) + draw.uniform(-0.05, 0.05),
        "correct": correct,
        "truncated": place == 5,
        "copies": 3 if place == 0 else 1,
    }


def _draw_scene(path, one, other):
    path.parent.mkdir(exist_ok=True)
    image = Image.new("RGB", (96, 96), "#f6f6f2")
    pen = ImageDraw.Draw(image)
    pen.ellipse((8, 8, 40, 40), fill=COLOURS[one])
    pen.rectangle((58, 10, 86, 38), fill=COLOURS[other])
    image.save(path, quality=95)


def _evaluation():
    def metric(value, half=0.04):
        return {"value": value, "low": value - half, "high": value + half, "n": 500}

    def stage(accuracy, truthful, claims):
        return {
            "accuracy": metric(accuracy),
            "direct_answer": metric(accuracy - 0.05),
            "truthful_rationales": metric(truthful),
            "claims_per_rationale": metric(claims, 0.1),
            "accuracy_blind": metric(0.268),
            "gain_from_sight": metric(accuracy - 0.268),
            "majority": metric(0.262),
        }

    return {
        "pretrained": stage(0.482, 0.407, 1.13),
        "stage1": stage(0.531, 0.455, 0.62),
        "stage2": stage(0.746, 0.688, 1.91),
    }


def _teacher():
    sums = {"prompt_tokens": 51_200, "cached_tokens": 1_024, "image_tokens": 38_400, "completion_tokens": 4_480}
    return {
        "name": "gpt-4o <b>",
        "anchors": 64,
        "trained_on": 61,
        "set_aside": {"names another choice than the row's answer": 2, "the teacher refused": 1},
        "calls_if_it_judged": 488,
        "spent": {"outcomes": {"answered": 64}, "calls": 64, **sums, "cost_usd": 0.1728, "unpriced": 0},
        "collected": {
            "outcomes": {"answered": 64, "HTTP 429": 5},
            "calls": 69,
            **sums,
            "cost_usd": 0.1728,
            "unpriced": 3,
        },
    }


def _summary(stage1_steps, stage2_steps):
    return {
        "name": "quickstart",
        "phase_seconds": {"stage1": 8.4, "sample": 21.7, "rank": 7.9, "train": 19.2, "evaluation": 31.5},
        "teacher": _teacher(),
        "steps": {"stage1": stage1_steps, "stage2": stage2_steps},
        "trainable": [
            {"part": "vision tower", "trainable": 0, "total": 61_440},
            {"part": "projector", "trainable": 8_320, "total": 8_320},
            {"part": "language model", "trainable": 842_112, "total": 842_112},
        ],
    }
