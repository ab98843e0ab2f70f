"""A teacher on this machine: batches answer as the stock model does one by one, wherever accelerate puts it."""

import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from tests.anchors.teacher import Templates, collected
from tests.tiny import tiny_llava, tiny_qwen2
from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers.local import LocalTeacher
from vlrlcd.config import TeacherConfig
from vlrlcd.data.example import Example
from vlrlcd.errors import UserError

TOKENS = 12


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_llava(tmp_path_factory.mktemp("teacher"), seed=1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for number, colour in enumerate(("red", "green", "blue", "white", "black")):
        path = folder / f"{colour}.png"
        Image.new("RGB", (40 + 10 * number, 40), colour).save(path)
        found.append(Example(str(number), f"row {number}", (path,), f"What colour is {'this ' * number}thing?"))
    return found


def settings(checkpoint, **more):
    wanted = {"kind": "local", "model": str(checkpoint), "max_tokens": TOKENS, "dtype": "float32", "device_map": "cpu"}
    return TeacherConfig(**{**wanted, "concurrency": 3, **more})


def texts(checkpoint, rows, store, **more):
    config = settings(checkpoint, **more)
    done = collected(rows, LocalTeacher(config), store, concurrency=config.concurrency)
    assert done.stopped is None and not done.given_up, done
    wanted = asks(rows, Templates(), LocalTeacher(config))
    return [store.get(ask.key).text for ask in wanted]


def stock(checkpoint, row):
    """The plain model's greedy answer, asked alone."""
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32)
    parts = [{"type": "image"}, {"type": "text", "text": f"teacher: {row.question}"}]
    prompt = processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
    inputs = processor(images=Image.open(row.images[0]), text=prompt, return_tensors="pt", add_special_tokens=True)
    placeholder = [processor.tokenizer.convert_tokens_to_ids("<image>")]
    ids = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, suppress_tokens=placeholder)
    answer = ids[0, inputs["input_ids"].shape[1] :]
    return processor.tokenizer.decode(answer, skip_special_tokens=True).strip()


def test_batches_answer_as_the_stock_model_does_one_by_one(checkpoint, rows, store):
    assert texts(checkpoint, rows, store) == [stock(checkpoint, row) for row in rows]


def test_accelerate_s_own_placement_answers_the_same(checkpoint, rows, store, tmp_path):
    with AnchorStore(tmp_path / "other.sqlite") as other:
        assert texts(checkpoint, rows, other, device_map="auto", concurrency=2) == texts(checkpoint, rows, store)


def test_a_teacher_that_reads_text_only(tmp_path, store):
    rows = [Example(str(n), f"row {n}", (), f"Is {n} even?") for n in range(3)]
    assert all(texts(tiny_qwen2(tmp_path / "qwen"), rows, store))


def test_usage_is_counted_and_calls_cost_nothing(checkpoint, rows, store):
    texts(checkpoint, rows, store)
    (total,) = [store.ledger().total]
    assert total.calls == 5 and total.unpriced == 0 and total.cost_usd == 0
    assert total.image_tokens > 0 and total.prompt_tokens > total.image_tokens and total.completion_tokens > 0


def test_images_can_be_left_out(checkpoint, rows, store):
    texts(checkpoint, rows, store, images="leave_out")
    assert store.ledger().total.image_tokens == 0


def test_another_checkpoint_of_the_same_name_is_another_teacher(checkpoint, rows, tmp_path):
    other = tiny_llava(tmp_path / checkpoint.name, seed=2)
    one, two = (LocalTeacher(settings(folder)) for folder in (checkpoint, other))
    assert one.name == two.name
    keys = [[ask.key for ask in asks(rows, Templates(), teacher)] for teacher in (one, two)]
    assert not set(keys[0]) & set(keys[1])


@pytest.mark.parametrize("changed", ["weights", "chat_template.jinja", "generation_config.json"])
def test_whatever_decides_an_answer_is_part_of_the_key(checkpoint, rows, tmp_path, changed):
    shutil.copytree(checkpoint, other := tmp_path / checkpoint.name)
    if changed == "weights":
        weights = load_file(other / "model.safetensors")
        name = next(name for name in weights if name.endswith("q_proj.weight") and "language_model" in name)
        weights[name][0, 0] += 1
        save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    else:
        (other / changed).write_text((other / changed).read_text() + " ")
    keys = [[ask.key for ask in asks(rows, Templates(), LocalTeacher(settings(f)))] for f in (checkpoint, other)]
    assert not set(keys[0]) & set(keys[1])


def test_the_folder_s_place_and_the_batch_size_are_no_part_of_the_key(checkpoint, rows):
    one, two = (LocalTeacher(settings(checkpoint, **more)) for more in ({}, {"concurrency": 9, "device_map": "auto"}))
    assert [a.key for a in asks(rows, Templates(), one)] == [a.key for a in asks(rows, Templates(), two)]


def test_a_prompt_that_does_not_fit_is_given_up_and_said(checkpoint, rows, store):
    long = Example("long", "row long", (), "What? " * 5000)
    done = collected([rows[0], long], LocalTeacher(settings(checkpoint)), store)
    assert done.answered == 1 and done.given_up[0][0] == "row long"
    assert "pass the teacher's" in done.given_up[0][1]


def test_no_checkpoint(rows, store, tmp_path):
    with pytest.raises(UserError, match=r"needs teacher\.model"):
        LocalTeacher(TeacherConfig(kind="local"))
    with pytest.raises(UserError, match=r"teacher\.model: "):
        collected(rows, LocalTeacher(settings("no/such")), store)
    with pytest.raises(UserError, match=r"teacher\.model=nothere is no folder"):
        LocalTeacher(settings("nothere"))


@pytest.mark.parametrize("place", ["cuda", "foo"])
def test_a_place_that_is_not_there(checkpoint, rows, store, place):
    with pytest.raises(UserError, match=rf"teacher\.device_map={place}: the teacher cannot be placed"):
        collected(rows, LocalTeacher(settings(checkpoint, device_map=place)), store)
