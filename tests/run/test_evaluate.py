"""scripts/evaluate.py: as processes what only processes show, the rest in this one."""

import json
import signal
import time

import pytest
import torch
from peft import LoraConfig, get_peft_model

from model_adapters import adapter_for
from tests.run.jobs import CONFIG, ROOT, deepspeed, finish, launch, lines
from vlrlcd.scenes import release

SHORT = ["--evaluation.limit=5", "--evaluation.resamples=50", "--sampling.max_new_tokens=6"]


@pytest.fixture(scope="session")
def known(checkpoint, scenes):
    return [f"--config={CONFIG}", f"--model.checkpoint={checkpoint}", f"--data.root={scenes}", *SHORT]


@pytest.fixture
def evaluate(known):
    """Starts it as processes."""

    def started(*arguments, processes=0):
        return launch(processes and deepspeed(processes), "scripts/evaluate.py", *known, *map(str, arguments))

    return started


@pytest.fixture
def evaluated(known, script, distributed, handlers):
    """Runs it in this process; returns what it printed."""

    def done(*arguments):
        return printed(script("evaluate", *known, *arguments))

    return done


def printed(ended):
    code, out, err = ended
    assert code == 0, err
    assert "Traceback" not in out + err
    return out


def figures(folder):
    return json.loads((folder / "eval.json").read_text())["aokvqa_mc"]["val"]["student"]


@pytest.mark.slow
def test_two_processes_find_what_one_finds(evaluate, tmp_path):
    for count, folder in ((0, tmp_path / "one"), (2, tmp_path / "two")):
        printed(finish(evaluate("--output", folder, "--evaluation.prompts_per_pass=2", processes=count)))
    assert figures(tmp_path / "one") == figures(tmp_path / "two")
    for name in ("predictions_val.json", "predictions_val.jsonl"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_what_a_checkpoint_answered_scores_the_same_as_a_file(evaluated, tmp_path, scenes):
    out = evaluated("--output", tmp_path / "one")
    for said in ("accuracy", "blank images", "wrong images", "no image", "gain from sight", "majority answer"):
        assert said in out
    asked = [row["question_id"] for row in json.loads((scenes / "aokvqa_v1p0_val.json").read_text())[:5]]
    assert list(json.loads((tmp_path / "one/predictions_val.json").read_text())) == asked

    scored = evaluated("--predictions", tmp_path / "one/predictions_val.json")
    told = next(line for line in out.splitlines() if line.startswith("student  "))
    assert next(line for line in scored.splitlines() if line.startswith("student  ")).split()[1:6] == told.split()[1:6]


def test_stopped_and_killed_it_goes_on(evaluate, evaluated, known, script, tmp_path):
    one_by_one = ("--evaluation.prompts_per_pass=1", "--output", tmp_path / "cut")
    log = tmp_path / "cut/answers/val.jsonl"
    for sent, reached in ((signal.SIGTERM, 3), (signal.SIGKILL, 12)):
        process = evaluate(*one_by_one)
        while len(lines(log)) < reached:
            assert process.poll() is None, finish(process)
            time.sleep(0.002)
        process.send_signal(sent)
        code, out, _ = finish(process)
        assert code == (-signal.SIGKILL if sent == signal.SIGKILL else 130)
        assert sent == signal.SIGKILL or "the same command goes on" in out
    before = lines(log)
    evaluated(*one_by_one)
    assert lines(log)[: len(before)] == before
    evaluated("--evaluation.prompts_per_pass=1", "--output", tmp_path / "whole")
    assert figures(tmp_path / "cut") == figures(tmp_path / "whole")

    code, _, err = script("evaluate", *known, *one_by_one, "--sampling.max_new_tokens=7")
    assert code == 2
    assert "val.jsonl holds answers with sampling.max_new_tokens = 6, and now it is 7: give another --output" in err


def test_a_lora_adapter_is_evaluated_as_the_model_that_it_makes(evaluated, tmp_path, checkpoint):
    adapter = adapter_for(checkpoint).load_model(torch.float32)
    torch.manual_seed(0)
    settings = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    added = get_peft_model(adapter.model, settings)
    added.save_pretrained(tmp_path / "lora")
    adapter.model = added.merge_and_unload()
    adapter.save(tmp_path / "merged")
    for name in ("lora", "merged"):
        evaluated(f"--model.checkpoint={tmp_path / name}", "--output", tmp_path / f"{name}-out")
    answers = [lines(tmp_path / f"{name}-out/predictions_val.jsonl") for name in ("lora", "merged")]
    assert answers[0] == answers[1]
    evaluated("--output", tmp_path / "base")
    assert lines(tmp_path / "base/predictions_val.jsonl") != answers[0]


def test_bad_input_is_refused_before_the_weights_are_read(known, script, distributed, tmp_path):
    (tmp_path / "p.json").write_text('{"stranger": {"multiple_choice": "red"}}')
    refused = {
        ("--evaluation.split=",): "evaluation.split is empty: name the split to evaluate on",
        ("--evaluation.split=nowhere",): "has no split 'nowhere'",
        ("--predictions", tmp_path / "p.json"): "p.json predicts none of these 5 questions",
        ("--evaluation.clip=nowhere",): "nowhere: no such folder or file",
        ("--evaluation.clip_architecture=ViT-B-32",): "evaluation.clip is not",
        ('--evaluation.controls=["sideways"]',): "sideways",
    }
    for flags, said in refused.items():
        code, _, err = script("evaluate", *known, *flags)
        assert code == 2 and said in err and "Traceback" not in err, err


def test_grounding_is_measured_with_a_clip(evaluated, tmp_path):
    evaluated("--output", tmp_path, f"--evaluation.clip={ROOT / 'checkpoints/tiny-clip-scenes'}")
    found = figures(tmp_path)
    assert found["clip_score"]["n"] == found["ref_clip_score"]["n"] == 5
    assert 0 <= found["clip_truncated"]["value"] <= 1


def test_a_file_of_predictions_on_a_fresh_clone(script, tmp_path, monkeypatch):
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    drawn = tmp_path / "data/scenes/aokvqa_v1p0_val.json"
    monkeypatch.setattr(release, "ensure_release", lambda root: release.write_release(root, "val", 6, seed=0))
    (tmp_path / "p.json").write_text('{"stranger": {"multiple_choice": "red"}}')
    code, _, err = script("evaluate", "--predictions=p.json")
    assert code == 2 and "predicts none of these 6 questions" in err and drawn.exists()
    rows = json.loads(drawn.read_text())
    right = {row["question_id"]: {"multiple_choice": row["choices"][row["correct_choice_idx"]]} for row in rows}
    (tmp_path / "p.json").write_text(json.dumps(right))
    code, out, _ = script("evaluate", "--predictions=p.json")
    assert code == 0 and "100.0" in out and "left in" not in out and not (tmp_path / "evaluations").exists()
    code, out, _ = script("evaluate", "--predictions=p.json", "--output=out")
    assert code == 0 and "left in      out" in out and figures(tmp_path / "out")["accuracy"]["value"] == 1
    code, _, err = script("evaluate", "--predictions=p.json", "--evaluation.split=")
    assert code == 2 and "evaluation.split is empty: name the split to evaluate on" in err


def test_the_help_names_the_student_beside_a_run_s_configuration(script):
    code, out, _ = script("evaluate", "--help")
    assert code == 0 and "--config runs/NAME/config.yaml --model.checkpoint=runs/NAME/student" in " ".join(out.split())
