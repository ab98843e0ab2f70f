"""The doctor finds every kind of fault, names each, and hides none behind another."""

import json
import re
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from tests.run.jobs import config_of, flags, free_port
from tests.run.refusals import change_row, edit, image_of, inputs_of, records
from tests.tiny import FAMILIES
from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.ready import anchor_store
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import TeacherReply, teacher_for
from vlrlcd.checkpoints import PLACE
from vlrlcd.cli import to_dict
from vlrlcd.data.card import load_card
from vlrlcd.data.prompts import Templates
from vlrlcd.data.splits import training_examples
from vlrlcd.doctor import CHECKS, memory

KEY = "sk-never-to-be-printed"


@pytest.fixture
def doctor(script):
    """(exit code, state by check, stdout) of the doctor on the quickstart with these settings."""

    def examined(*settings, extra=()):
        code, out, err = script("doctor", *flags(*settings), *extra)
        assert "Traceback" not in out + err
        heads = re.findall(r"(?m)^(ok|not done|warning|fault) +(.{14}) ", out)
        return code, {name.strip(): state for state, name in heads}, out

    return examined


def test_a_healthy_job(doctor, here):
    code, states, out = doctor(here, {"ranking.scorer": "verdict"}, extra=["--processes=2"])
    assert code == 0, out
    assert states == dict.fromkeys(CHECKS, "ok"), out
    assert re.search(r"python 3.* torch .* transformers .* deepspeed .* peft ", out)
    assert "bfloat16" in out
    assert "12 rows can be used" in out
    assert "12 of 12 prompts have an anchor of dataset-column:explained" in out
    assert re.search(r"tokens in the median.*\n.*longest: aokvqa_v1p0_\w+\.json, row \d+ \(\d+, 9 of them image\)", out)
    assert re.search(r"4 rows: ids \[4, \d+\], pixel_values \[4, 3, 42, 42\], 36 image tokens", out)
    assert re.search(r"log-probs of 4 answers are finite", out)
    assert re.search(r"reads .*'Yes' \(\d+\)", out)
    assert re.search(r"language model +full .* parameters train", out)
    for sheet in ("zero0", "zero1", "zero2", "zero2_offload", "zero3", "zero3_offload"):
        assert re.search(rf"{sheet} .* GiB.*K up to", out)
    assert "computed, not measured" in out
    assert "engine.tokens_per_pass" in out
    assert not (here["run.root"] / "quickstart").exists()


def test_every_fault_of_the_data_at_once(doctor, bad):
    image_of(bad, 3).unlink()
    image_of(bad, 12).write_bytes(image_of(bad, 12).read_bytes()[:-400])
    change_row(bad, 5, question=...)
    change_row(bad, 7, rationales=[])
    change_row(bad, 8, question="what colour is it? " * 100)
    code, states, out = doctor(inputs_of(bad))
    assert code == 1
    for said in (
        r"train\.json, row 3, image 1: .* does not exist",
        r"train\.json, row 12, image 1: .* is not a readable image",
        r"train\.json, row 5: field 'question' is missing",
        r"train\.json, row 7: no rationale to make an anchor of",
        r"train\.json, row 8: the prompt has \d+ tokens",
        r"student holds no weights",
    ):
        assert re.search(said, out), said
    faulty = {name for name, state in states.items() if state == "fault"}
    assert faulty == {"student", "rows", "images", "anchors", "tokens"}
    assert states["batch"] == states["trainable"] == "ok"
    assert states["forward pass"] == "not done"


def test_rows_that_are_no_json(doctor, bad):
    records(bad).write_text("[{")
    code, states, out = doctor(inputs_of(bad))
    assert code == 1
    assert re.search(r"train\.json is not valid JSON", out)
    assert states["trainable"] == states["images"] == "ok"
    assert states["anchors"] == "not done"


def test_faults_of_the_configuration(doctor, bad):
    content = {"stage2": {"learning_rte": 1e-5}, "engine": {"deepspeed": str(bad / "mine.json")}}
    (bad / "mine.yaml").write_text(yaml.safe_dump(content))
    (bad / "mine.json").write_text(json.dumps({"gradient_clipping": 0.5}))

    def cut(tokens):
        merges = [m for m in tokens["model"]["merges"] if not {"e", "o", "E", "O"} & set("".join(m))]
        kept = {token: i for token, i in tokens["model"]["vocab"].items() if not re.search("yes|no", token, re.I)}
        tokens["model"].update(merges=merges, vocab=kept)
        return tokens

    edit(bad / "student/tokenizer.json", cut)
    own = {**inputs_of(bad), "ranking.scorer": "verdict", "stage2.beta": -1, "engine.deepspeed": bad / "mine.json"}
    code, states, out = doctor(own, extra=[f"--config={bad / 'mine.yaml'}"])
    assert code == 1
    assert "unknown key 'stage2.learning_rte'; did you mean 'stage2.learning_rate'?" in out
    assert "stage2.beta=-1.0 must not be negative" in out
    assert re.search(r"mine\.json contradicts the configuration: gradient_clipping=0\.5", out)
    assert "splits Yes or No into several tokens" in out
    assert states["images"] == "ok"


def test_anchors_and_a_teacher_out_of_reach(doctor, here, tmp_path, monkeypatch):
    monkeypatch.setenv("OWN_KEY", KEY)
    asked = {
        "teacher.kind": "chat",
        "teacher.model": "big",
        "teacher.base_url": f"http://127.0.0.1:{free_port()}/v1",
        "teacher.api_key_env": "OWN_KEY",
        "anchors.store": tmp_path / "anchors.sqlite",
    }
    code, states, out = doctor(here, asked)
    assert code == 1
    assert states["anchors"] == states["endpoints"] == "fault"
    assert re.search(
        r"\(12 of 12 prompts have none\): run `python scripts/collect_anchors\.py .*teacher\.kind=chat", out
    )
    assert not (tmp_path / "anchors.sqlite").exists()

    config = config_of(here, asked)
    card = load_card(config.data.dataset)
    wanted = asks(training_examples(config, card), Templates(card), teacher_for(config, card))
    with AnchorStore(anchor_store(config)) as store:
        answered = [(ask, f"It is so. Answer: {ask.example.answer}") for ask in wanted[1:]]
        texts = [(wanted[0], "I cannot tell."), *answered]
        store.put(*(ask.anchor(TeacherReply(text), "big", 0.0, None) for ask, text in texts))
    code, states, again = doctor(here, asked)
    assert code == 0, again
    assert states["anchors"] == states["endpoints"] == "warning"
    assert "1 would be set aside: " in again
    assert "training does not need it" in again
    assert KEY not in out + again


def test_weights_that_are_no_numbers_and_a_memory_too_small(doctor, bad, monkeypatch):
    shutil.rmtree(bad / "student")
    FAMILIES["llava"](bad / "student")
    weights = load_file(bad / "student/model.safetensors")
    next(tensor for name, tensor in weights.items() if "embed_tokens" in name).fill_(torch.nan)
    save_file(weights, bad / "student/model.safetensors", {"format": "pt"})
    monkeypatch.setattr(memory, "device_memory", lambda processes: (2**20, "a GPU"))
    code, states, out = doctor(inputs_of(bad))
    assert code == 1
    assert states["forward pass"] == "fault" and re.search(r"(\d+) of \1 log-probs are not finite", out)
    assert states["memory"] == "warning" and "take more GPUs than 1" in out


def test_damaged_checkpoints_and_a_folder_that_cannot_be_written(doctor, here, tmp_path):
    config, folder = config_of(here), tmp_path / "it"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(to_dict(config)))
    place = {"stage": "stage1", "step": 2, "tag": "stage1-000002"}
    (folder / PLACE).write_text(json.dumps(place))
    resumed = {"run.name": "it", "run.resume": "true", "run.root": tmp_path}
    code, states, out = doctor(here, resumed)
    assert code == 1 and states["run folder"] == "fault"
    assert "stage1-000002 is missing: restore it from a copy, or start a new run" in out
    (tmp_path / "file").touch()
    code, states, out = doctor(here, {"run.root": tmp_path / "file/runs"})
    assert code == 1 and states["run folder"] == "fault" and "is no folder that can be written to; name another" in out


def test_a_mistake_of_the_command_line_itself(script, here):
    code, _, err = script("doctor", *flags(here, {"stage2.bta": 0.1}))
    assert code == 2
    assert "unknown key 'stage2.bta'" in err
