"""A run folder as training leaves it, with made-up but plausible numbers; these tests and those in a browser use it."""

import json
import math
import random
from itertools import zip_longest
from pathlib import Path

import yaml
from PIL import Image, ImageDraw

PLANTED = (
    """'"></title></style></pre><script>planted()</script><img src="https://example.org/x.png" onerror="planted()">"""
)
STAGES = ("pretrained", "stage1", "stage2")
MARKS_OF_KIND = {"mended": (0, 0, 1), "broken": (1, 1, 0), "still_wrong": (0, 1, 0), "still_right": (1, 1, 1)}
KINDS_OF_STEP = ("mixed", "wrong", "right", "misled", "tied", "mixed", "mixed")
"""Of the groups in turn."""
IN_A_FILE_NAME = "<img src=x onerror=planted()>"
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
  started: 2026-11-23 16:20:33
  commit: 3f1c9d2
  torch: 2.14.1
  machine: x86_64, 2 CPU cores
"""


def write_run(folder: Path, stage1_steps: int = 40, stage2_steps: int = 60) -> Path:
    """Writes every file of a finished run and returns the folder."""
    draw = random.Random(7)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    _write_lines(folder / "metrics.jsonl", _metrics(draw, stage1_steps, stage2_steps))
    _write_lines(folder / "samples.jsonl", [_group(draw, folder, step) for step in range(1, stage2_steps + 1)])
    write_predictions(folder, dict(zip(MARKS_OF_KIND, (9, 4, 6, 11), strict=True)))
    (folder / "eval.json").write_text(json.dumps({"scenes": {"val": _evaluation()}}))
    (folder / "run.json").write_text(json.dumps(_summary(stage1_steps, stage2_steps)))
    return folder


def write_predictions(folder: Path, questions: dict[str, int]) -> None:
    """Writes what each stage answered to so many questions of each kind, as `before and after` sorts them."""
    kinds = [kind for kind, count in questions.items() for _ in range(count)]
    for place, stage in enumerate(STAGES):
        rows = [_prediction(number, stage, MARKS_OF_KIND[kind][place]) for number, kind in enumerate(kinds)]
        _write_lines(folder / f"predictions_val_{stage}.jsonl", rows)


def change_lines(path: Path, *changes: dict) -> None:
    """Writes other values into the first rows of a file of JSON lines."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    _write_lines(path, [{**row, **change} for row, change in zip_longest(rows, changes, fillvalue={})])


def plant(folder: Path) -> None:
    """Puts HTML that calls `planted()` into every text that a run folder holds, names and keys too."""
    (folder / "config.yaml").write_text(json.dumps(_planted(yaml.safe_load(CONFIG)), default=str))
    for path in sorted(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        _write_lines(path, [{**_planted(row), "stage": row.get("stage")} for row in rows])
    for path in folder.glob("predictions_*_stage1.jsonl"):
        path.with_name(f"predictions_{IN_A_FILE_NAME}_{IN_A_FILE_NAME}.jsonl").write_text(path.read_text())
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"stage": PLANTED, "step": 1, PLANTED: {PLANTED: 1.0, "other": 2.0}}) + "\n")
    evaluation = json.loads((folder / "eval.json").read_text())
    stages = evaluation["scenes"]["val"]
    stages[PLANTED] = stages["stage2"] | {PLANTED: {"value": 1.0}, f"accuracy/{PLANTED}": {"value": 1.0, "n": 3}}
    (folder / "eval.json").write_text(json.dumps({f"scenes{PLANTED}": {f"val{PLANTED}": stages}}))
    summary = _planted(json.loads((folder / "run.json").read_text()))
    for named in (summary["phase_seconds"], summary["steps"], summary["teacher"]["set_aside"]):
        named[PLANTED] = 3
    summary["teacher"]["collected"]["outcomes"][PLANTED] = 3
    (folder / "run.json").write_text(json.dumps(summary))


def _planted(value):
    if isinstance(value, dict):
        return {key: _planted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_planted(one) for one in value]
    return f"{value}{PLANTED}" if isinstance(value, str) and not value.endswith(".jpg") else value


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
    kind = KINDS_OF_STEP[step % len(KINDS_OF_STEP)]
    gold, wrong = draw.sample(sorted(COLOURS), 2)
    image = folder / "images" / f"{step:012}.jpg"
    _draw_scene(image, gold, wrong)
    weights = sorted((draw.random() ** 3 for _ in range(6)), reverse=True)
    candidates = [_candidate(draw, kind, place, weights, gold, wrong) for place in range(len(weights))]
    return {
        "stage": "stage2",
        "step": step,
        "id": f"22MexNkBPpdZGX6s{step:06}",
        "images": [str(image)],
        "question": f"What colour is the object that is at the top left of scene {step}?",
        "choices": [*sorted(COLOURS)],
        "answer": gold,
        "anchor": f"Answer: {gold}",
        "anchor_score": -0.31,
        "rankable": kind != "tied",
        "candidates": draw.sample(candidates, len(candidates)),
    }


def _candidate(draw, kind, place, weights, gold, wrong):
    correct = {"right": True, "wrong": False, "misled": place > 2}.get(kind, place < 3)
    colour = gold if correct else wrong
    return {
        "text": f"At the top left there is a small {colour} circle, next to a square. Answer: {colour}",
        "score": -0.4 - place / 3,
        "r": 0.1 - place / 3,
        "D": weights[place] / sum(weights),
        "q": 1 / len(weights) + draw.uniform(-0.05, 0.05),
        "correct": correct,
        "truncated": place == 5 and kind == "right",
        "copies": 3 if place == 0 else 1,
    }


def _prediction(number, stage, right):
    gold, wrong = sorted(COLOURS)[number % 4], sorted(COLOURS)[(number + 1) % 4]
    said = gold if right else wrong
    text = f"The object that is at the top left is {said}. Answer: {said}"
    return {
        "doc_id": number,
        "id": f"held-out-{number:04}",
        "doc": {
            "question": f"Which colour has the object of held-out scene {number}?",
            "choices": sorted(COLOURS),
            "images": [None],
            "type": "colour",
        },
        "target": gold,
        "references": [f"It is a {gold} circle.", f"The circle is {gold}."],
        "arguments": [["Which colour?"]],
        "resps": [[text]],
        "filtered_resps": [said],
        "accuracy": float(right),
        "rouge_l": 0.25,
        "truncated": 0.0,
        "tokens": 14,
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
            "accuracy_blank": metric(0.268),
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
