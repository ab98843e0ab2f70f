"""The real server `transformers serve`, with a tiny LLaVA as teacher, and with the student that a run left."""

import json

import pytest

from tests.anchors.processes.jobs import collector
from tests.run.jobs import finish, start
from tests.servers.serve import served
from tests.tiny import tiny_llava
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.scenes.release import write_release

PROMPTS = 6
SAMPLED = json.dumps({"do_sample": True, "temperature": 1.0, "max_new_tokens": 8})


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return tiny_llava(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    for split in ("train", "val"):
        write_release(folder, split, PROMPTS, seed=0)
    return folder


@pytest.fixture(scope="module")
def address(teacher, tmp_path_factory):
    with served(teacher, tmp_path_factory.mktemp("hub")) as address:
        yield address


def asked(scenes, address, model, store, *more, **settings):
    wanted = {
        "data__dataset": "aokvqa_mc",
        "anchors__store": store,
        "teacher__model": model,
        "teacher__max_tokens": 8,
        "teacher__concurrency": 2,
        **settings,
    }
    return finish(collector(scenes, address, *more, **wanted))


def anchors(path):
    with AnchorStore(path) as store:
        return sorted(store, key=lambda anchor: anchor.key)


def test_anchors_of_a_drawn_split_with_its_images(scenes, address, teacher, tmp_path):
    code, out, err = asked(scenes, address, teacher, tmp_path / "a.sqlite")
    assert code == 0, out + err
    found = anchors(tmp_path / "a.sqlite")
    assert len(found) == PROMPTS and all(anchor.text for anchor in found)
    assert all(anchor.usage["prompt_tokens"] > 20 and anchor.usage["completion_tokens"] for anchor in found)
    assert f"{PROMPTS} anchors stored" in out and "has no price of" in out
    # a teacher this small does not end its answers: cut, flagged, and said
    assert {anchor.flags for anchor in found} == {("cut",)}
    assert f"training will set aside {PROMPTS}: cut off at teacher.max_tokens" in out


def test_the_image_reaches_the_model(scenes, address, teacher, tmp_path):
    for name, images in (("with", "send"), ("without", "leave_out")):
        code, out, err = asked(scenes, address, teacher, tmp_path / name, teacher__images=images)
        assert code == 0, out + err
    with_images, without = (
        [a.usage["prompt_tokens"] for a in anchors(tmp_path / name)] for name in ("with", "without")
    )
    assert sum(with_images) > sum(without)


@pytest.mark.slow
def test_sampling_needs_a_generation_config_of_the_request(scenes, address, teacher, tmp_path):
    """Without one this server is greedy at any temperature."""
    texts = {}
    for name, temperature, more in (
        ("greedy", 0.0, {}),
        ("hot", 1.0, {"seed": 1}),
        ("seed 1", "null", {"generation_config": SAMPLED, "seed": 1}),
        ("seed 1 again", "null", {"generation_config": SAMPLED, "seed": 1}),
        ("seed 2", "null", {"generation_config": SAMPLED, "seed": 2}),
    ):
        settings = {"teacher__temperature": temperature, "teacher__extra_body": json.dumps(more)}
        code, out, err = asked(scenes, address, teacher, tmp_path / name, teacher__concurrency=1, **settings)
        assert code == 0, out + err
        texts[name] = [anchor.text for anchor in anchors(tmp_path / name)]
    assert sorted(texts["hot"]) == sorted(texts["greedy"])
    assert texts["seed 1"] == texts["seed 1 again"] and sorted(texts["seed 1"]) != sorted(texts["seed 2"])
    assert sorted(texts["seed 1"]) != sorted(texts["greedy"])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"teacher__model": "another/model"}, "answered 400"),
        ({"teacher__extra_body": json.dumps({"no_such_field": 1})}, "answered 422"),
    ],
)
def test_what_this_server_refuses_stops_at_once_with_its_words(scenes, address, teacher, tmp_path, more, words):
    model = more.pop("teacher__model", teacher)
    code, out, err = asked(scenes, address, model, tmp_path / "a.sqlite", **more)
    assert code == 1 and words in err and "Traceback" not in err
    assert not anchors(tmp_path / "a.sqlite")


@pytest.mark.slow
def test_the_student_of_a_run_answers_too(scenes, teacher, tmp_path):
    inputs = {"model.checkpoint": teacher, "data.root": scenes, "run.root": tmp_path, "run.name": "it"}
    code, out, err = finish(start(inputs, {"stage1.prompts_per_step": 3, "stage2.prompts_per_step": 3}))
    assert code == 0, out + err
    student = tmp_path / "it/student"
    (home := tmp_path / "hub").mkdir()
    with served(student, home) as address:
        code, out, err = asked(scenes, address, student, tmp_path / "a.sqlite")
    assert code == 0 and len(anchors(tmp_path / "a.sqlite")) == PROMPTS, out + err
