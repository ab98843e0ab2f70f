"""The content key depends on what was asked, and on nothing else."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.anchors.key import canonical_request, request_key

SAMPLING = st.dictionaries(st.text(max_size=8), st.integers() | st.booleans() | st.text(max_size=8), max_size=4)


def anchor_key(*request):
    return request_key(canonical_request(*request))


def messages(text="What is it?", image=b"pixels", **image_extra):
    parts = [{"type": "image", "image": image, **image_extra}, {"type": "text", "text": text}]
    return [{"role": "user", "content": parts}]


def reordered(value):
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(st.text(), st.binary(min_size=1), SAMPLING)
def test_order_of_dicts_does_not_matter(text, image, sampling):
    asked = messages(text, image)
    assert anchor_key("m", reordered(asked), reordered(sampling)) == anchor_key("m", asked, sampling)


@given(st.binary(min_size=1))
def test_a_path_and_its_bytes_are_the_same_image(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("image") / "a.jpg"
    path.write_bytes(content)
    assert anchor_key("m", messages(image=path), {}) == anchor_key("m", messages(image=content), {})


def test_the_name_of_the_file_is_no_part_of_it(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"pixels")
    (tmp_path / "b.png").write_bytes(b"pixels")
    keys = {anchor_key("m", messages(image=tmp_path / name), {}) for name in ("a.jpg", "b.png")}
    assert len(keys) == 1


CHANGES = {
    "model": ("other", messages(), {"temperature": 0.0}, 0),
    "text": ("m", messages("What is that?"), {"temperature": 0.0}, 0),
    "image": ("m", messages(image=b"other"), {"temperature": 0.0}, 0),
    "resize": ("m", messages(resize={"max_side": 512}), {"temperature": 0.0}, 0),
    "role": ("m", [{**messages()[0], "role": "system"}], {"temperature": 0.0}, 0),
    "order of parts": ("m", [{"role": "user", "content": messages()[0]["content"][::-1]}], {"temperature": 0.0}, 0),
    "one message more": ("m", messages() * 2, {"temperature": 0.0}, 0),
    "sampling": ("m", messages(), {"temperature": 1.0}, 0),
    "sample index": ("m", messages(), {"temperature": 0.0}, 1),
}


@pytest.mark.parametrize("part", CHANGES)
def test_every_named_part_matters(part):
    assert anchor_key(*CHANGES[part]) != anchor_key("m", messages(), {"temperature": 0.0}, 0)


@given(st.text(), st.text())
def test_different_texts_have_different_keys(one, other):
    assert (anchor_key("m", messages(one), {}) == anchor_key("m", messages(other), {})) == (one == other)


def test_the_key_is_stable_between_versions():
    known = "af0f21a789ec66d4a563ec54293d21dc15b4c1d8d8343d5589919336ca5757b1"
    assert anchor_key("m", messages("Où est-ce ?"), {"temperature": 0.5}) == known


def test_the_request_is_readable_json_without_image_bytes():
    request = json.loads(canonical_request("m", messages("Où ?", b"pixels"), {"a": 1}, 2))
    image, text = request["messages"][0]["content"]
    assert text == {"type": "text", "text": "Où ?"}
    assert re.fullmatch("[0-9a-f]{64}", image["image"]["sha256"])
    assert image["image"]["resize"] is None
    assert (request["model"], request["sampling"], request["sample_index"]) == ("m", {"a": 1}, 2)
