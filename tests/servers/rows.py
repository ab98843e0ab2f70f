"""A data set of any number of questions about one small picture."""

import json
from pathlib import Path

from PIL import Image


def write_rows(folder: Path, count: int, **more) -> Path:
    """`train.jsonl` with `count` rows of the plain JSONL form and their picture; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), (200, 40, 40)).save(folder / "red.png")
    rows = [{"id": str(n), "images": ["red.png"], "question": f"Question {n}?", **more} for n in range(count)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder
