import json
from pathlib import Path

import pytest
from PIL import Image

from vlrlcd.data.card import DATASETS, load_card


@pytest.fixture
def mc_card():
    return load_card("aokvqa_mc")


@pytest.fixture
def jsonl_card():
    return load_card("jsonl")


@pytest.fixture
def record():
    """Makes one valid A-OKVQA record; keywords override fields, None removes one."""

    def make(number: int = 1, **changes):
        fields = {
            "split": "train",
            "image_id": number,
            "question_id": f"q{number}",
            "question": "What is this?",
            "choices": ["cab", "bus", "train", "bike"],
            "correct_choice_idx": 0,
            "direct_answers": ["cab"] * 10,
            "difficult_direct_answer": False,
            "rationales": ["It is yellow.", "It is a cab.", "A taxi."],
        } | changes
        return {key: value for key, value in fields.items() if value is not None}

    return make


@pytest.fixture
def write_release(tmp_path):
    """Writes records in the official layout, with an image for each, and returns the folder."""

    def write(records, split: str = "train") -> Path:
        (tmp_path / f"aokvqa_v1p0_{split}.json").write_text(json.dumps(records), encoding="utf-8")
        images = tmp_path / f"{split}2017"
        images.mkdir(exist_ok=True)
        for item in records if isinstance(records, list) else []:
            if isinstance(item, dict) and isinstance(item.get("image_id"), int):
                Image.new("RGB", (4, 4)).save(images / f"{item['image_id']:012}.jpg")
        return tmp_path

    return write


@pytest.fixture
def copied_card(tmp_path):
    """Copies a dataset folder without its sample, so that a test may spoil it; returns the folder."""

    def copy(name: str = "aokvqa_mc") -> Path:
        folder = tmp_path / "mine"
        folder.mkdir()
        for path in (DATASETS / name).iterdir():
            if path.is_file():
                (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        return folder

    return copy
