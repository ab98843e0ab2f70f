"""Requests as they go out, answers as they come in."""

import base64
import io
import json

import pytest
from PIL import Image, PngImagePlugin

from tests.servers.http import completion
from vlrlcd.anchors.teachers import TeacherFault, wire
from vlrlcd.config import TeacherConfig

SECRET = "planted-metadata"


def photograph(size=(1600, 1200), **save):
    """A JPEG with a place, a rotation, a comment, XMP and a colour profile."""
    image = Image.new("RGB", size, (10, 200, 30))
    exif = image.getexif()
    exif[0x0112] = 6
    exif[0x010E] = SECRET
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 15.0)
    encoded = io.BytesIO()
    more = {"comment": SECRET, "xmp": SECRET.encode(), "icc_profile": SECRET.encode()}
    image.save(encoded, "JPEG", exif=exif, **more, **save)
    return encoded.getvalue()


def png_with_text():
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", SECRET)
    encoded = io.BytesIO()
    Image.new("RGBA", (30, 20), (0, 0, 0, 0)).save(encoded, "PNG", pnginfo=words)
    return encoded.getvalue()


def sent(image, **settings):
    config = TeacherConfig(model="m", **settings)
    asked = [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": "What?"}]}]
    return wire.body(config, wire.shown(config, asked))


def image_of(body):
    url = body["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    raw = base64.b64decode(url.split(",")[1])
    return raw, Image.open(io.BytesIO(raw))


@pytest.mark.parametrize("source", [photograph(), png_with_text()], ids=["jpeg", "png"])
def test_nothing_but_pixels_leaves(source):
    assert SECRET.encode() in source
    raw, image = image_of(sent(source))
    assert SECRET.encode() not in raw and b"Exif" not in raw
    assert not image.getexif() and not {"comment", "xmp", "icc_profile", "exif"} & image.info.keys()


def test_images_are_turned_upright_and_scaled():
    assert image_of(sent(photograph()))[1].size == (768, 1024)
    assert image_of(sent(photograph(), image_max_side=100))[1].size == (75, 100)
    assert image_of(sent(photograph(), image_max_side=0))[1].size == (1200, 1600)
    assert image_of(sent(photograph((40, 30))))[1].size == (30, 40)


def test_the_policy_is_part_of_the_key():
    asked = [{"role": "user", "content": [{"type": "image", "image": b"pixels"}]}]
    policies = ({}, {"image_max_side": 512}, {"image_detail": "low"})
    shown = [wire.shown(TeacherConfig(**policy), asked)[0]["content"][0]["resize"] for policy in policies]
    assert len({json.dumps(policy) for policy in shown}) == 3


def test_images_can_be_left_out():
    assert sent(photograph(), images="leave_out")["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "What?"}]}
    ]


def test_fields_of_the_request():
    body = sent(photograph(), max_tokens=7, image_detail="low", extra_body={"seed": 3})
    assert body["model"] == "m" and body["max_completion_tokens"] == 7 and body["temperature"] == 0.0
    assert body["seed"] == 3 and body["messages"][0]["content"][0]["image_url"]["detail"] == "low"
    other = sent(photograph(), max_tokens_field="max_tokens", temperature=None)
    assert other["max_tokens"] == 512 and not {"temperature", "max_completion_tokens"} & other.keys()
    assert "detail" not in other["messages"][0]["content"][0]["image_url"]


def test_what_is_delivered_how_is_no_part_of_the_sampling():
    one = TeacherConfig(max_tokens_field="max_tokens", base_url="http://127.0.0.1/v1", timeout_s=3, api_key_env="X")
    assert wire.sampling(one) == wire.sampling(TeacherConfig())


def read(*answer, **more):
    return wire.reply(json.loads(completion(*answer, **more).body))


def test_a_plain_answer():
    reply = read(" It is red.\n", usage={"prompt_tokens": 5, "completion_tokens": 2, "queue": None})
    assert (reply.text, reply.finish_reason, reply.flags, reply.answered_by) == ("It is red.", "stop", (), "stub-2026")
    assert reply.usage == {"prompt_tokens": 5, "completion_tokens": 2}


def test_what_is_kept_and_flagged():
    assert read("", refusal="I cannot help.").text == "I cannot help."
    assert read(None, refusal="I cannot help.").flags == ("refusal",)
    assert read(None, "content_filter").flags == ("content_filter",)
    assert read("half a sent", "length").flags == ("cut",)


def test_half_a_character_is_marked():
    assert read("a bus \ud83d").text == "a bus \ufffd" and read("a bus \ud83d\ude8c").text == "a bus \U0001f68c"


def fault(*answer, **more):
    with pytest.raises(TeacherFault) as caught:
        read(*answer, **more)
    return caught.value.outcome, caught.value.then, caught.value.usage["prompt_tokens"]


def test_what_is_asked_again():
    assert fault("") == fault(" \n") == fault(None) == ("empty answer", "again", 100)


def test_an_answer_that_had_no_room_is_not_asked_again():
    assert fault("", "length") == ("no room for text", "skip", 100)


@pytest.mark.parametrize(
    "usage", [[1], "many", 7, {"prompt_tokens": "100"}, {"prompt_tokens": 10**30}, {"a": {"b": []}}]
)
def test_usage_that_is_none_is_left_out(usage):
    assert read("It is red.", usage=usage).usage == {}


def test_details_of_usage_are_kept():
    told = {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2, "tier": "x"}, "ok": True}
    assert read("It is red.", usage=told).usage == {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}}


@pytest.mark.parametrize("change", [{"finish_reason": {"a": 1}}, {"message": {"content": ["a"]}}, {"message": "text"}])
def test_an_answer_with_odd_fields_is_asked_again(change):
    body = json.loads(completion("It is red.").body)
    body["choices"][0].update(change)
    with pytest.raises(TeacherFault) as caught:
        wire.reply(body)
    assert (caught.value.outcome, caught.value.then) == ("unreadable answer", "again")


def test_a_model_s_name_that_is_none_is_left_out():
    assert wire.reply({**json.loads(completion("It is red.").body), "model": {"a": 1}}).answered_by == ""


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{}]}, {"choices": 3}, {"choices": ["text"]}])
def test_what_is_no_completion(body):
    with pytest.raises(TeacherFault) as caught:
        wire.reply(body)
    assert (caught.value.outcome, caught.value.then) == ("unreadable answer", "again")
