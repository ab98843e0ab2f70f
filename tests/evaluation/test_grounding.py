"""CLIPScore against its formula on the model's own features, one text at a time."""

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from model_adapters import AdapterError
from model_adapters.eyes import Grounding
from tests.tiny_eyes import tiny_clip
from vlrlcd.evaluation.grounding import clip_scores


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = [folder / f"{n}.png" for n in range(3)]
    for path in paths:
        Image.fromarray(rng.integers(256, size=(30, 24, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def slow(clip):
    """(image, text) and (text, text) cosines by open_clip itself."""
    model, _, pixels = open_clip.create_model_and_transforms(f"local-dir:{clip}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{clip}")
    model.eval()

    def unit(features):
        return features[0] / features[0].norm()

    @torch.no_grad()
    def cosine(one, other):
        found = [
            unit(model.encode_text(tokenizer([f"A photo depicts {x}"])))
            if isinstance(x, str)
            else unit(model.encode_image(pixels(Image.open(x).convert("RGB"))[None]))
            for x in (one, other)
        ]
        return max(0.0, float(found[0] @ found[1]))

    return cosine


def test_scores_are_those_of_the_formula(make, clip, pictures, slow):
    examples = [
        make(0, images=(pictures[0],), rationales=("a red cab", "a blue bus")),
        make(1, images=(pictures[1], pictures[2])),
        make(2, rationales=("seen by nobody",)),
        make(3, images=(pictures[2],), rationales=("one",)),
    ]
    texts = ["a yellow cab.", "two trains", "no picture", ""]
    found = clip_scores(Grounding(str(clip)), examples, texts)
    said = ["a yellow cab.", "two trains", None, ""]
    expected = [
        None if text is None else np.mean([2.5 * slow(image, text) for image in example.images])
        for example, text in zip(examples, said, strict=True)
    ]
    assert found["clip_score"] == [None if e is None else pytest.approx(e, abs=1e-5) for e in expected]
    assert any(value and value > 0 for value in found["clip_score"])
    for place in (0, 3):
        score = expected[place]
        nearest = max(slow(reference, said[place]) for reference in examples[place].rationales)
        mean = 2 * score * nearest / (score + nearest) if score + nearest else 0.0
        assert found["ref_clip_score"][place] == pytest.approx(mean, abs=1e-5)
    assert found["ref_clip_score"][1:3] == [None, None]


def test_texts_beyond_the_context_are_counted(make, clip, pictures):
    """Context of 12: start, `a photo depicts`, seven words, end."""
    texts = ["one two three four five six seven", "one two three four five six seven eight", "one " * 40]
    found = clip_scores(Grounding(str(clip)), [make(n, images=(pictures[0],)) for n in range(3)], texts)
    assert found["clip_truncated"] == [0.0, 1.0, 1.0]


def test_nothing_to_score(clip):
    assert clip_scores(Grounding(str(clip)), [], []) == {"clip_score": [], "ref_clip_score": [], "clip_truncated": []}


def test_a_model_that_is_not_there_is_refused_by_its_key(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"x")
    with pytest.raises(AdapterError, match=r"say with evaluation\.clip_architecture which open_clip model it is"):
        Grounding(str(tmp_path / "weights.pt"))
    with pytest.raises(AdapterError, match="no such folder or file"):
        Grounding(str(tmp_path / "none"))
