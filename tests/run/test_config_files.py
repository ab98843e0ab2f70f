"""Every key means something, and every file of configs/ holds known keys."""

import json
import shlex
from dataclasses import fields

import pytest

from tests.run.jobs import ROOT, config_of
from vlrlcd import run_folder
from vlrlcd.cli import known_keys, parse_config, same_command, to_dict
from vlrlcd.engine import deepspeed_settings
from vlrlcd.trainer import train

YAMLS = sorted((ROOT / "configs").glob("*.yaml"))


def watched(section, name, seen):
    """Makes a section of the configuration note every key that is read."""

    class Watched(type(section)):
        def __getattribute__(self, key):
            seen.add(f"{name}.{key}")
            return super().__getattribute__(key)

    section.__class__ = Watched


def test_every_key_is_read_by_a_job(here, handlers, distributed, own_linear, monkeypatch):
    zero3 = ROOT / "configs/deepspeed/zero3.json"
    seen = set()
    # the loss of each kind has keys of its own
    for method in ("ldl_grpo", "self_ppo", "anchorrank_dpo"):
        settings = {"model.tuning": "lora", "engine.deepspeed": zero3, "stage2.method": method, "run.name": method}
        config = config_of(here, settings, {"ranking.scorer": "verdict", "stage1.verdict_weight": 0.1})
        # writing the configuration down is no use of it
        written = to_dict(config)
        monkeypatch.setattr(run_folder, "to_dict", lambda config, written=written: written)
        for section in fields(config):
            watched(getattr(config, section.name), section.name, seen)
        train(config, method)
    # who asks reads the teacher's keys, who judges the judge's, and a student without sight the eyes':
    # tests/anchors/teachers/test_keys.py, tests/judging/test_keys.py, tests/run/test_eyes.py
    elsewhere = ("teacher.", "eyes.", "judge.")
    wanted = {key for key in known_keys() if not key.startswith(elsewhere)} | {"teacher.kind", "eyes.checkpoint"}
    assert wanted - seen == set()


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_every_file_of_configs_parses(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = parse_config("", argv=["--config", str(path)])
    assert deepspeed_settings(config)
    assert (ROOT / "datasets" / config.data.dataset / "card.yaml").is_file()


def test_the_quickstart_is_what_no_argument_means(monkeypatch):
    monkeypatch.chdir(ROOT)
    bare = parse_config("", default_config="configs/quickstart.yaml", argv=["--local_rank=0"])
    named = parse_config("", argv=["--config", "configs/quickstart.yaml"])
    assert to_dict(bare) == to_dict(named)
    assert bare.anchors.style == "terse"


def test_flags_overrule_the_file_and_it_the_defaults(tmp_path):
    (tmp_path / "mine.yaml").write_text("stage2: {beta: 0.2, q: mean}\nrun: {name: '07'}\n")
    config = parse_config("", argv=["--config", str(tmp_path / "mine.yaml"), "--stage2.beta=0.3"])
    assert (config.stage2.beta, config.stage2.q, config.run.name) == (0.3, "mean", "07")
    assert config.stage2.q_temperature == 1.0


@pytest.mark.parametrize("where", ["file", "flag"])
def test_a_request_s_extra_fields_keep_their_types(tmp_path, where):
    wanted = {"generation_config": '{"do_sample": true}', "user": "007", "nested": {"seed": 1, "on": True}}
    (tmp_path / "mine.yaml").write_text(json.dumps({"teacher": {"extra_body": wanted}}))
    given = {"file": f"--config={tmp_path / 'mine.yaml'}", "flag": f"--teacher.extra_body={json.dumps(wanted)}"}
    assert parse_config("", argv=[given[where]]).teacher.extra_body == wanted


def test_a_temperature_can_be_left_out(tmp_path):
    (tmp_path / "mine.yaml").write_text("teacher: {temperature: null}\n")
    assert parse_config("", argv=[f"--config={tmp_path / 'mine.yaml'}"]).teacher.temperature is None
    assert parse_config("", argv=["--teacher.temperature=null"]).teacher.temperature is None


def test_the_same_command_of_another_script():
    given = ["--config=x.yaml", "--local_rank=0", "--teacher.kind", "chat", "--data.root=my data", "--run.seed=3"]
    command = same_command("scripts/other.py", "y.yaml", given)
    wanted = ["python", "scripts/other.py", "--config", "y.yaml", "--teacher.kind", "chat", "--data.root=my data"]
    assert shlex.split(command) == [*wanted, "--run.seed=3"]
