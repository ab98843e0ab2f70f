"""Good inputs to spoil, and what a refusal looks like."""

import json
from pathlib import Path


def inputs_of(folder: Path):
    return {
        "model.checkpoint": folder / "student",
        "data.root": folder / "scenes",
        "run.root": folder / "runs",
        "ranking.scorer": "likelihood",
    }


def sentence(code: int, err: str):
    assert code == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err.strip()


def edit(path: Path, change):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))


def records(folder: Path, split: str = "train"):
    return folder / "scenes" / f"aokvqa_v1p0_{split}.json"


def change_row(folder, number, split="train", **fields):
    def change(rows):
        rows[number - 1].update(fields)
        rows[number - 1] = {key: value for key, value in rows[number - 1].items() if value is not ...}
        return rows

    edit(records(folder, split), change)


def image_of(folder: Path, number: int):
    return folder / "scenes/train2017" / f"{json.loads(records(folder).read_text())[number - 1]['image_id']:012}.jpg"
