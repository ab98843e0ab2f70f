"""Training and its teacher: nobody is asked, what is missing or unfit is said before a weight is read."""

import json
import re
import shutil

import pytest

from model_adapters import adapter_for
from tests.run.jobs import ROOT, config_of, finish, flags, lines, start
from tests.run.refusals import image_of, records
from tests.tiny import tiny_qwen2_5_vl
from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.ledger import Ledger
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import teacher_for
from vlrlcd.data.card import load_card
from vlrlcd.data.prompts import Templates
from vlrlcd.data.splits import training_examples
from vlrlcd.job import prepare, prepare_questions
from vlrlcd.trainer import train

# nobody listens there
CHAT = {"teacher.kind": "chat", "teacher.model": "big", "teacher.base_url": "http://127.0.0.1:9/v1"}


def test_a_missing_anchor_is_told_before_the_weights_are_read(refusal, bad):
    said = refusal(CHAT)
    assert re.search(r"train\.json, row 1 has no anchor from big in .*anchors\.sqlite \(12 of 12 prompts", said)
    command = re.search("run `python scripts/collect_anchors.py --config (.*)` first", said)[1].split()
    assert command[0].endswith("quickstart.yaml")
    assert {"--teacher.kind=chat", "--teacher.model=big", f"--data.root={bad / 'scenes'}"} <= set(command)
    assert not (bad / "runs").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"teacher.kind": "chat"}, r"needs teacher\.model"),
        ({"teacher.kind": "local"}, r"needs teacher\.model"),
        ({"teacher.kind": "file"}, r"needs teacher\.file"),
        ({"teacher.kind": "file", "teacher.file": "/no/such.jsonl"}, r"/no/such\.jsonl: .* set teacher\.file"),
        ({"anchors.language": "english"}, r"anchors\.language=english is not known"),
        ({"anchors.max_characters": 3}, r"none of 12 anchors .* \(12 longer than anchors\.max_characters\)"),
        ({"teacher.attempts": 0}, r"teacher\.attempts=0 must be above 0"),
        ({"teacher.temperature": -1}, r"teacher\.temperature=-1\.0 must not be negative"),
    ],
)
def test_settings_that_cannot_be(refusal, settings, words):
    assert re.search(words, refusal(settings)), refusal(settings)


@pytest.fixture
def answered(inputs, scenes, tmp_path):
    """Settings of a run whose 12 prompts a teacher has answered: 8 well, 2 wrong, one refused, one cut."""
    store = tmp_path / "anchors.sqlite"
    config = config_of(inputs, CHAT)
    card = load_card("aokvqa_mc")
    examples = training_examples(config, card)
    teacher = teacher_for(config, card)
    ledger = Ledger()
    anchors = []
    for number, ask in enumerate(asks(examples, Templates(card), teacher)):
        right = ask.example.answer
        wrong = next(choice for choice in ask.example.choices if choice != right)
        text, flags = {
            0: (f"Answer: {wrong}", ()),
            1: (f"Answer: {wrong}", ()),
            2: ("I cannot help.", ("refusal",)),
            3: ("It is a", ("cut",)),
        }.get(number, (f"It is. Answer: {right}", ()))
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        ledger.count("big", "answered", usage, 0.25)
        anchors.append(Anchor(ask.key, "big", ask.request, text, flags=flags, usage=usage, cost_usd=0.25))
    ledger.count("big", "HTTP 503", {}, None)
    with AnchorStore(store) as open_store:
        open_store.put(*anchors, ledgers={"it": ledger})
    return {**inputs, **CHAT, "anchors.store": store, "run.root": tmp_path}


def test_what_is_set_aside_is_not_trained_on_and_is_said(answered, tmp_path):
    code, out, err = finish(start(answered))
    assert code == 0, out + err
    run = tmp_path / "quickstart"
    teacher = json.loads((run / "run.json").read_text())["teacher"]
    assert (teacher["name"], teacher["anchors"], teacher["trained_on"]) == ("big", 12, 8)
    wanted = {
        "names another choice than the row's answer": 2,
        "the teacher refused": 1,
        "cut off at teacher.max_tokens": 1,
    }
    assert teacher["set_aside"] == wanted and all(f"{n}: {reason}" in out for reason, n in wanted.items())
    aside = lines(run / "set_aside.jsonl")
    assert len(aside) == 4 and aside[2]["text"] == "I cannot help." and "row 3" in aside[2]["place"]
    trained_on = {group["id"] for group in lines(run / "samples.jsonl")}
    assert len(trained_on) == 8 and trained_on.isdisjoint(line["id"] for line in aside)
    assert teacher["calls_if_it_judged"] == 12 * 4
    assert teacher["spent"]["calls"] == 12 and teacher["spent"]["cost_usd"] == 3.0
    assert teacher["collected"]["outcomes"] == {"answered": 12, "HTTP 503": 1}
    page = (run / "report.html").read_text()
    assert "13 (12 answered, 1 HTTP 503)" in page and "3.0000 USD" in page


def test_the_majority_answer_is_taken_from_the_same_prompts_in_a_run_and_by_itself(answered):
    job, (_, questions) = prepare(config := config_of(answered)), prepare_questions(config)
    assert len(job.train) == 8 and len(job.questions.seen) == 12
    assert job.questions.seen == questions.seen
    on_itself = config_of(answered, {"evaluation.split": "train"})
    assert prepare(on_itself).questions.seen == prepare_questions(on_itself)[1].seen == []


def test_a_resumed_run_may_reach_its_teacher_otherwise(answered, tmp_path, handlers, distributed):
    train(config_of(answered, {"run.name": "it", "evaluation.split": ""}), "it")
    moved = shutil.move(answered["anchors.store"], tmp_path / "moved.sqlite")
    other = {"anchors.store": moved, "teacher.base_url": "http://127.0.0.1:10/v1", "teacher.concurrency": 3}
    train(config_of(answered, {"run.name": "it", "run.resume": "true", "evaluation.split": "", **other}), "it")
    assert len(lines(tmp_path / "it/set_aside.jsonl")) == 4


def test_a_file_of_answers(here, scenes, tmp_path, handlers, distributed):
    rows = json.loads((scenes / "aokvqa_v1p0_train.json").read_text())
    answers = [
        {"id": row["question_id"], "text": f"Answer: {row['choices'][row['correct_choice_idx']]}"} for row in rows
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in answers))
    settings = {"teacher.kind": "file", "teacher.file": tmp_path / "answers.jsonl", "evaluation.split": ""}
    train(config_of(here, settings, {"run.name": "it", "anchors.store": tmp_path / "a.sqlite"}), "it")
    shown = {group["id"]: group["anchor"] for group in lines(tmp_path / "it/samples.jsonl")}
    assert shown == {line["id"]: line["text"] for line in answers}


def test_rows_that_ask_the_same_are_trained_on_once(bad, checkpoint, handlers, distributed, tmp_path):
    rows = json.loads(records(bad).read_text())
    records(bad).write_text(json.dumps([*rows, {**rows[0], "question_id": "twin"}]))
    settings = {"model.checkpoint": checkpoint, "data.root": bad / "scenes", "run.root": tmp_path / "runs"}
    train(config_of(settings, {"run.name": "it", "evaluation.split": ""}), "it")
    (aside,) = lines(tmp_path / "runs/it/set_aside.jsonl")
    assert (aside["id"], aside["reason"]) == ("twin", "asks the same as an earlier row")


def test_a_row_whose_image_cannot_be_read_is_left_out_if_wanted(
    bad, checkpoint, handlers, distributed, tmp_path, script, refusal
):
    image_of(bad, 3).write_bytes(b"no image")
    settings = {"model.checkpoint": checkpoint, "data.root": bad / "scenes", "run.root": tmp_path / "runs"}
    skip = {"data.bad_images": "skip"}
    train(config_of(settings, skip, {"run.name": "it"}), "it")
    (aside,) = lines(tmp_path / "runs/it/set_aside.jsonl")
    assert aside["reason"] == "its image cannot be read" and "row 3, image 1" in aside["text"]
    teacher = json.loads((tmp_path / "runs/it/run.json").read_text())["teacher"]
    assert (teacher["anchors"], teacher["trained_on"]) == (11, 11) and teacher["set_aside"] == {aside["reason"]: 1}

    code, out, _ = script("doctor", *flags(settings, skip))
    assert code == 0 and re.search(r"warning +images .*row 3, image 1: .* is not a readable image", out), out
    code, out, _ = script("doctor", *flags(settings))
    assert code == 1 and re.search(r"fault +images .*row 3, image 1", out), out
    said = script("collect_anchors", *flags(settings, skip), "--dry-run")[1]
    assert "1 rows are left out, aokvqa_v1p0_train.json, row 3, image 1" in said and "11 of 11 prompts" in said
    asked = json.loads(records(bad, "val").read_text())[0]["image_id"]
    (bad / f"scenes/val2017/{asked:012}.jpg").write_bytes(b"no image")
    assert "val.json, row 1, image 1" in refusal(skip)


def test_a_teacher_of_another_family_and_vocabulary(here, tmp_path, script, handlers, distributed):
    teacher, student = ROOT / "checkpoints/tiny-llava-scenes", tiny_qwen2_5_vl(tmp_path / "student")
    local = {"kind": "local", "model": teacher, "max_tokens": 80, "dtype": "float32", "device_map": "cpu"}
    settings = {
        **here,
        **{f"teacher.{key}": value for key, value in local.items()},
        "model.checkpoint": student,
        "data.train_limit": 4,
        "anchors.store": tmp_path / "anchors.sqlite",
        "anchors.contradictions": "keep",
        "evaluation.split": "",
        "run.name": "it",
    }
    code, out, err = script("collect_anchors", *flags(settings))
    assert code == 0, out + err
    theirs, ours = adapter_for(str(teacher)), adapter_for(str(student))
    assert theirs.tokenizer.get_vocab() != ours.tokenizer.get_vocab()
    train(config_of(settings), "it")
    anchors = {group["anchor"] for group in lines(tmp_path / "it/samples.jsonl")}
    assert len(anchors) > 1
    assert all(ours.chat.decode(ours.encode_answer(text)) == text for text in anchors)
