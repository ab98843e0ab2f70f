"""A run of any length makes a page of bounded size in bounded time."""

import json
import random
import time

import pytest
from PIL import Image

from tests.report.run_folder import PLANTED, write_run
from vlrlcd.report import write_report
from vlrlcd.report.page import BYTES_OF_ANSWERS, BYTES_OF_GROUPS

GROUPS, PHOTOS, CANDIDATES = 10_000, 400, 8
MOST_SECONDS, MOST_BYTES = 20, 15_000_000


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A run of 10,000 groups over photographs that compress as badly as any: noise."""
    folder = write_run(tmp_path_factory.mktemp("many") / "run")
    draw = random.Random(5)
    photos = [folder / "images" / f"photo{number}.jpg" for number in range(PHOTOS)]
    for path in photos:
        noise = Image.frombytes("RGB", (160, 120), draw.randbytes(160 * 120 * 3))
        noise.resize((640, 480), Image.Resampling.BICUBIC).save(path, quality=90)
    with (folder / "samples.jsonl").open("w") as file:
        for number in range(GROUPS):
            file.write(json.dumps(_group(draw, number, str(photos[number % PHOTOS]))) + "\n")
    return folder


def _group(draw, number, photo):
    said = [f"{' '.join(draw.choices(['a', 'dog', 'runs', 'past', 'the', 'gate'], k=60))}." for _ in range(CANDIDATES)]
    candidates = [
        {"text": text, "D": draw.random(), "q": draw.random(), "r": draw.gauss(0, 1), "correct": draw.random() < 0.5}
        for text in said
    ]
    return {
        "stage": "stage2",
        "step": number // 16,
        "id": f"{number:06}",
        "images": [photo],
        "question": f"What does photograph {number} show?",
        "choices": ["dog", "cat"],
        "answer": "dog",
        "anchor": "A dog.",
        "anchor_score": -1.0,
        "candidates": candidates,
    }


def test_ten_thousand_groups_over_photographs_in_time_and_size(many):
    started = time.monotonic()
    page = write_report(many)
    assert time.monotonic() - started < MOST_SECONDS
    assert page.stat().st_size < MOST_BYTES
    text = page.read_text()
    groups = text[text.index('<h2 id="groups"') : text.index('<h2 id="answers"')]
    assert BYTES_OF_GROUPS / 2 < len(groups.encode()) < BYTES_OF_GROUPS * 1.05
    assert f"This page shows {groups.count('<details')} of 10,000 groups" in groups


def test_a_text_beyond_the_budget_is_left_out_and_the_count_says_so(run):
    lines = (run / "samples.jsonl").read_text().splitlines()
    huge = {**json.loads(lines[30]), "anchor": PLANTED * (BYTES_OF_GROUPS // len(PLANTED) + 1)}
    lines[30] = json.dumps(huge)
    (run / "samples.jsonl").write_text("\n".join(lines) + "\n")
    page = write_report(run)
    assert "This page shows 59 of 60 groups" in page.read_text()
    assert page.stat().st_size < BYTES_OF_GROUPS


def test_answers_of_several_splits_share_one_budget(run):
    row = json.loads((run / "predictions_val_stage2.jsonl").read_text().splitlines()[0])
    for split in ("easy", "hard"):
        rows = [{**row, "id": str(number), "resps": [["word " * 30_000]]} for number in range(40)]
        text = "".join(json.dumps(one) + "\n" for one in rows)
        (run / f"predictions_{split}_stage2.jsonl").write_text(text)
    page = write_report(run).read_text()
    answers = page[page.index('<h2 id="answers"') : page.index('<h2 id="configuration"')]
    assert BYTES_OF_ANSWERS / 2 < len(answers) < BYTES_OF_ANSWERS * 1.05
    assert answers.count("of 40 held-out questions") == 2 and "This page shows 40 of 40" not in answers


def test_the_page_grows_with_neither_steps_nor_groups(tmp_path, long_run):
    longer = write_report(write_run(tmp_path / "longer", 4000, 4000)).stat().st_size
    assert longer < 1.05 * write_report(long_run).stat().st_size
