"""Writes drawn scenes in the official A-OKVQA layout."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np

from vlrlcd.files import write_whole
from vlrlcd.scenes.draw import draw
from vlrlcd.scenes.questions import Question, pose
from vlrlcd.scenes.world import SPLIT_PERCENT, Scene, check_grid, check_split

ID_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 22
IMAGES_PER_SPLIT = 10_000_000
DIFFICULT_SHARE = 0.05
HIDDEN_IN_TEST = ("correct_choice_idx", "direct_answers", "rationales")
REDRAWS = 10_000
QUICKSTART = "configs/quickstart.yaml"
DEMOS = (QUICKSTART, "configs/quickstart_text.yaml")
DEMO_ROOT = "data/scenes"
QUICKSTART_QUESTIONS = {"train": 1000, "val": 1000}


def write_release(folder: str | Path, split: str, questions_n: int, seed: int, grid: int = 2) -> None:
    """Writes one split: records, images and, beside them, the scene graphs.

    Raises ValueError for an unknown split or grid, or if the split holds too few distinct scenes.
    """
    check_split(split)
    check_grid(grid)
    folder = Path(folder)
    images = folder / f"{split}2017"
    images.mkdir(parents=True, exist_ok=True)
    split_index = list(SPLIT_PERCENT).index(split)
    rng = np.random.default_rng([seed, split_index, grid])
    records, graphs, used = [], {}, set()
    for index in range(questions_n):
        scene, question = _pose_unused(split, rng, grid, used)
        image_id = (split_index + 1) * IMAGES_PER_SPLIT + index
        question_id = _question_id(f"{split}/{seed}/{grid}/{index}")
        records.append(_record(split, image_id, question_id, question, bool(rng.random() < DIFFICULT_SHARE)))
        graphs[question_id] = {
            "family": question.family,
            "lazy_answer": question.lazy_answer,
            "scene": scene.to_dict(),
        }
        draw(scene).save(images / f"{image_id:012}.jpg", quality=95, subsampling=0)
    _write_json(folder / f"scenes_{split}.json", graphs)
    # what says that the split is there comes last
    _write_json(folder / f"aokvqa_v1p0_{split}.json", records)


def ensure_release(folder: str | Path) -> None:
    """Draws the quickstart's scenes into the folder unless they are there."""
    for split, questions in QUICKSTART_QUESTIONS.items():
        if not (Path(folder) / f"aokvqa_v1p0_{split}.json").exists():
            write_release(folder, split, questions, seed=0)


def draw_for(config_file: str | None, root: str) -> None:
    """Draws the scenes of the demos where one of them is what runs, on its own data; never into a user's folder."""
    if (config_file or QUICKSTART) in DEMOS and root == DEMO_ROOT:
        ensure_release(root)


def _pose_unused(split: str, rng: np.random.Generator, grid: int, used: set[Scene]) -> tuple[Scene, Question]:
    for _ in range(REDRAWS):
        scene, question = pose(split, rng, grid)
        if scene not in used:
            used.add(scene)
            return scene, question
    raise ValueError(f"split {split!r} holds too few distinct scenes: {len(used)} written")


def _question_id(text: str) -> str:
    number = int.from_bytes(sha256(text.encode()).digest(), "big")
    return "".join(ID_ALPHABET[number // len(ID_ALPHABET) ** digit % len(ID_ALPHABET)] for digit in range(ID_LENGTH))


def _record(split: str, image_id: int, question_id: str, question: Question, difficult: bool) -> dict:
    record = {
        "split": split,
        "image_id": image_id,
        "question_id": question_id,
        "question": question.question,
        "choices": list(question.choices),
        "correct_choice_idx": question.correct_choice_idx,
        "direct_answers": list(question.direct_answers),
        "difficult_direct_answer": difficult,
        "rationales": list(question.rationales),
    }
    hidden = HIDDEN_IN_TEST if split == "test" else ()
    return {key: value for key, value in record.items() if key not in hidden}


def _write_json(path: Path, content: list | dict) -> None:
    write_whole(path, json.dumps(content, indent=1) + "\n")
