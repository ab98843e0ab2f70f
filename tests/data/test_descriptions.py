"""Images are described once, whatever else a run asks for."""

import shutil

import pytest
from PIL import Image

from model_adapters.eyes import Describer
from tests.tiny_eyes import tiny_clip
from vlrlcd.config import Config, DataConfig, EyesConfig
from vlrlcd.data.card import load_card
from vlrlcd.data.descriptions import describe_all, image_sources
from vlrlcd.data.example import Example
from vlrlcd.errors import UserError


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def images(tmp_path):
    colours = ("red", "green", "blue", "white", "black")
    for colour in colours:
        Image.new("RGB", (30, 30), colour).save(tmp_path / f"{colour}.png")
    return [tmp_path / f"{colour}.png" for colour in colours]


@pytest.fixture
def described(clip, tmp_path, monkeypatch):
    """Describes images and notes how many at once the model was shown."""
    shown, describe = [], Describer.describe

    def noted(self, pictures):
        shown.append(len(pictures))
        return describe(self, pictures)

    monkeypatch.setattr(Describer, "describe", noted)
    (tmp_path / "labels.yaml").write_text("- {say: 2, labels: [a, b, c, d]}")

    def run(sources, **eyes):
        wanted = {"checkpoint": str(clip), "labels": str(tmp_path / "labels.yaml"), "batch_size": 2, **eyes}
        config = Config(data=DataConfig(root=str(tmp_path)), eyes=EyesConfig(**wanted))
        shown.clear()
        return describe_all(config, load_card("jsonl"), sources), list(shown)

    return run


def test_every_image_is_described_once(described, images, tmp_path, clip):
    texts, shown = described(images)
    assert shown == [2, 2, 1] and all(len(text) == len("a, b.") for text in texts)
    assert (tmp_path / "descriptions.sqlite").is_file()
    assert described(images) == (texts, [])
    moved = [shutil.copy(images[0], tmp_path / "elsewhere.png"), images[1].read_bytes()]
    assert described(moved) == (texts[:2], [])


def test_the_weights_are_not_read_when_all_is_known(described, images, monkeypatch):
    texts, _ = described(images)
    monkeypatch.setattr("model_adapters.eyes.describer.load", lambda source: pytest.fail("the model was loaded"))
    assert described(images)[0] == texts


def test_a_copy_of_an_image_is_described_once(described, images, tmp_path):
    copy = shutil.copy(images[0], tmp_path / "copy.png")
    texts, shown = described([images[0], copy])
    assert shown == [1] and texts[0] == texts[1]


def test_another_image_or_another_describer_is_described_anew(described, images, tmp_path):
    described(images[:2])
    Image.new("RGB", (30, 30), "yellow").save(images[0])
    assert described(images[:2])[1] == [1]
    (tmp_path / "labels.yaml").write_text("- labels: [e, f]")
    texts, shown = described(images[:2])
    assert shown == [2] and set(texts) <= {"e.", "f."}


def test_what_was_described_before_a_fault_is_kept(described, images, tmp_path):
    (tmp_path / "bad.png").write_text("no image")
    with pytest.raises(UserError, match="bad.png cannot be decoded"):
        described([*images[:4], tmp_path / "bad.png"])
    assert described(images[:4])[1] == []


def test_a_file_of_its_own(described, images, tmp_path):
    described(images, cache=str(tmp_path / "new/mine.sqlite"))
    assert (tmp_path / "new/mine.sqlite").is_file() and not (tmp_path / "descriptions.sqlite").exists()


@pytest.mark.parametrize("spoil", ["no database", "a folder"])
def test_a_file_that_cannot_keep_them(described, images, tmp_path, spoil):
    path = tmp_path / "mine.sqlite"
    path.write_text("x" * 5000) if spoil == "no database" else path.mkdir()
    with pytest.raises(UserError, match=r"mine\.sqlite cannot keep descriptions.*set eyes\.cache"):
        described(images, cache=str(path))


def test_sources_are_told_once_in_order():
    rows = [Example(id=str(n), place="", images=given, question="?") for n, given in enumerate(((b"b", b"a"), (b"a",)))]
    assert image_sources(rows) == [b"b", b"a"]
