"""Writes the photographs in the official A-OKVQA layout."""

import json
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from tests.photographs.texts import PHOTOGRAPHS, Photograph


def write_photographs(folder: Path) -> Path:
    """Writes `aokvqa_v1p0_{train,val}.json` and the images beside them; returns the folder."""
    for split in ("train", "val"):
        rows = [(number, p) for number, p in enumerate(PHOTOGRAPHS, start=1) if p.split == split]
        (folder / f"{split}2017").mkdir(parents=True)
        for number, photograph in rows:
            source = Path(find_spec(photograph.package).origin).parent / photograph.file
            Image.open(source).save(folder / f"{split}2017" / f"{number:012}.jpg")
        (folder / f"aokvqa_v1p0_{split}.json").write_text(json.dumps([_record(n, p) for n, p in rows]))
    return folder


def _record(number: int, photograph: Photograph) -> dict:
    return {
        "split": photograph.split,
        "image_id": number,
        "question_id": f"photograph{number:012}",
        "question": photograph.question,
        "choices": list(photograph.choices),
        "correct_choice_idx": photograph.correct,
        "direct_answers": [answer for answer, people in photograph.direct.items() for _ in range(people)],
        "difficult_direct_answer": False,
        "rationales": list(photograph.rationales),
    }
