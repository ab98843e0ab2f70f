import json
import re

import pytest
from PIL import Image

from vlrlcd.scenes import release
from vlrlcd.scenes.claims import claims
from vlrlcd.scenes.families import FAMILIES
from vlrlcd.scenes.release import ensure_release, write_release
from vlrlcd.scenes.world import Scene, fingerprint, split_of

SIZES = {"pretrain": 40, "train": 40, "val": 30, "test": 20}
TYPES = {
    "split": str,
    "image_id": int,
    "question_id": str,
    "question": str,
    "choices": list,
    "correct_choice_idx": int,
    "direct_answers": list,
    "difficult_direct_answer": bool,
    "rationales": list,
}
HIDDEN = {"correct_choice_idx", "direct_answers", "rationales"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    for split, count in SIZES.items():
        write_release(folder, split, count, seed=3)
    return folder


def records(folder, split):
    return json.loads((folder / f"aokvqa_v1p0_{split}.json").read_text())


def graphs(folder, split):
    return json.loads((folder / f"scenes_{split}.json").read_text())


@pytest.mark.parametrize("split", SIZES)
def test_records_have_the_official_fields_and_types(folder, split):
    found = records(folder, split)
    assert len(found) == SIZES[split]
    for record in found:
        assert list(record) == [field for field in TYPES if split != "test" or field not in HIDDEN]
        assert all(type(record[field]) is TYPES[field] for field in record)
        assert record["split"] == split and re.fullmatch(r"[0-9A-Za-z]{22}", record["question_id"])
        for field, length in (("choices", 4), ("direct_answers", 10), ("rationales", 3)):
            assert field not in record or [type(text) for text in record[field]] == [str] * length
        assert record.get("correct_choice_idx", 0) in range(4)


@pytest.mark.parametrize("split", SIZES)
def test_every_record_has_its_image_and_its_scene(folder, split):
    names = set()
    for record in records(folder, split):
        path = folder / f"{split}2017" / f"{record['image_id']:012}.jpg"
        names.add(path.name)
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 96))
        graph = graphs(folder, split)[record["question_id"]]
        assert graph["family"] in FAMILIES and graph["lazy_answer"] in record["choices"]
        scene = Scene.from_dict(graph["scene"])
        assert split_of(scene) == split
        for rationale in record.get("rationales", ()):
            assert all(claim.true for claim in claims(rationale, scene))
    assert names == {path.name for path in (folder / f"{split}2017").iterdir()}


def test_ids_and_scenes_are_unique_across_splits(folder):
    found = [record for split in SIZES for record in records(folder, split)]
    scenes = [Scene.from_dict(graph["scene"]) for split in SIZES for graph in graphs(folder, split).values()]
    count = sum(SIZES.values())
    assert len({record["image_id"] for record in found}) == len({record["question_id"] for record in found}) == count
    assert len({fingerprint(scene) for scene in scenes}) == count


def test_the_same_seed_writes_the_same_bytes(folder, tmp_path):
    write_release(tmp_path, "val", SIZES["val"], seed=3)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == SIZES["val"] + 2
    for path in written:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()
    write_release(tmp_path / "other", "val", 5, seed=4)
    assert records(tmp_path / "other", "val") != records(folder, "val")[:5]


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split"):
        write_release(tmp_path, "dev", 1, seed=0)


@pytest.mark.parametrize("name", ["aokvqa", "scenes"])
def test_scenes_whose_drawing_was_killed_are_drawn_again(tmp_path, killed_at_half, monkeypatch, name):
    monkeypatch.setattr(release, "QUICKSTART_QUESTIONS", {"train": 5})
    killed_at_half(lambda: ensure_release(tmp_path), f"{name}_")
    ensure_release(tmp_path)
    assert len(records(tmp_path, "train")) == len(graphs(tmp_path, "train")) == 5
