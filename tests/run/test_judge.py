"""scripts/judge.py: what it says, leaves, refuses and goes on with."""

import json
import shutil
import signal
import time

import pytest

from tests.run.jobs import CONFIG, finish, launch, lines
from tests.servers.http import failure, serving
from tests.servers.stub_judge import StubJudge
from vlrlcd.config import Config, DataConfig, EvaluationConfig
from vlrlcd.data.card import load_card
from vlrlcd.judging.contest import contest
from vlrlcd.scenes.release import write_release

QUESTIONS = 30


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_release(folder, "val", QUESTIONS, seed=3)
    return folder


@pytest.fixture(scope="module")
def rows(drawn):
    return json.loads((drawn / "aokvqa_v1p0_val.json").read_text())


@pytest.fixture
def run_folder(tmp_path, rows):
    """A run whose last stage is right in two of three questions, and the one before in one of three."""
    (folder := tmp_path / "run").mkdir()
    for stage, of_three in (("stage1", 1), ("stage2", 2)):
        found = [
            {"id": row["question_id"], "resps": [[f"{row['rationales'][0]} Answer: {chosen(row, n % 3 < of_three)}"]]}
            for n, row in enumerate(rows)
        ]
        write(folder / f"predictions_val_{stage}.jsonl", found)
    return folder


def chosen(row, right):
    return row["choices"][(row["correct_choice_idx"] + (not right)) % 4]


def write(path, found):
    path.write_text("".join(json.dumps(line) + "\n" for line in found))
    return path


@pytest.fixture
def given(drawn, run_folder, tmp_path):
    """Flags of the script; later ones overrule earlier ones."""
    known = {"data.root": drawn, "data.dataset": "aokvqa_mc", "anchors.store": tmp_path / "anchors.sqlite"}
    known |= {"judge.store": tmp_path / "judge.sqlite", "evaluation.resamples": 50, "reference": "anchors"}
    known |= {"answers": run_folder, "output": tmp_path / "out"}

    def flags(**more):
        named = {key.replace("__", "."): value for key, value in more.items()}
        return [f"--{key}={value}" for key, value in {**known, **named}.items() if value is not None]

    return flags


@pytest.fixture
def stub():
    return StubJudge(lambda question, first, second: "[[A]]" if len(first) > len(second) else "[[B]]")


@pytest.fixture
def chat(given, stub):
    with serving(stub) as url:
        yield lambda **more: given(judge__model="stub", judge__base_url=url, judge__concurrency=4, **more)


def figures(folder, stage="stage2"):
    return json.loads((folder / "eval.json").read_text())["aokvqa_mc"]["val"][stage]


def test_the_rule_judge_agrees_with_what_was_planted(script, given, tmp_path):
    code, out, err = script("judge", *given(judge__kind="rule"))
    assert (code, err) == (0, "")
    assert [line["score"] for line in lines(tmp_path / "out/judged.jsonl")] == [1.0, 1.0, 0.0] * (QUESTIONS // 3)
    found = figures(tmp_path / "out")
    assert found["judge_consistency"]["value"] == 1.0 and found["win_rate"]["n"] == QUESTIONS
    assert found["win_rate"]["value"] == pytest.approx(2 / 3)
    for said in (
        "judge        rule",
        "predictions_val_stage2.jsonl (stage2)",
        "against      anchors of",
        "0 verdicts to ask",
    ):
        assert said in out
    shown = found["win_rate"]
    cell = f"{100 * shown['value']:.1f} [{100 * shown['low']:.1f}, {100 * shown['high']:.1f}] (n {QUESTIONS})"
    assert f"win rate, a tie a half{cell:>46}" in out and f"left in      {tmp_path / 'out'}" in out


def test_two_students_with_truncation(script, given, run_folder, tmp_path):
    other = run_folder / "predictions_val_stage1.jsonl"
    code, out, _ = script("judge", *given(judge__kind="rule", other=other), "--truncated")
    assert code == 0
    found, others = figures(tmp_path / "out"), figures(tmp_path / "out", "stage1")
    difference = found["win_rate"]["value"] - others["win_rate"]["value"]
    assert found["win_rate_difference"]["value"] == pytest.approx(difference) and difference > 0.1
    assert found["win_rate_difference"]["low"] > 0
    assert {"win_rate_truncated", "win_rate_truncated_difference"} < found.keys()
    assert len(lines(tmp_path / "out/judged_other_truncated.jsonl")) == QUESTIONS
    assert "\ndifference " in out and "\ntruncated " in out


def test_a_second_student_of_another_run_is_no_stage_of_the_first(drawn, run_folder, tmp_path):
    config = Config(data=DataConfig(dataset="aokvqa_mc", root=str(drawn)), evaluation=EvaluationConfig(split="val"))
    earlier = run_folder / "predictions_val_stage1.jsonl"
    (elsewhere := tmp_path / "two").mkdir()
    shutil.copy(earlier, elsewhere)

    def stages(other):
        sides = contest(config, load_card("aokvqa_mc"), str(run_folder), str(run_folder), str(other), False, "").sides
        return [side.stage for side in sides]

    assert stages(earlier) == ["stage2", "stage1"]
    assert stages(elsewhere) == stages(run_folder) == ["stage2", "other"]


def test_a_student_against_itself_is_a_half(script, given, run_folder, tmp_path):
    code, _, _ = script("judge", *given(judge__kind="rule", reference=run_folder, other=run_folder))
    assert code == 0
    found = figures(tmp_path / "out")
    assert {found[name]["value"] for name in ("win_rate", "win_rate_length_controlled", "win_rate_length_matched")} == {
        0.5
    }
    assert (
        found["win_rate_difference"]["value"] == 0.0 and figures(tmp_path / "out", "other")["win_rate"]["value"] == 0.5
    )


def test_an_answers_file_of_one_s_own(script, given, rows, tmp_path):
    own = write(tmp_path / "own.jsonl", [{"id": row["question_id"], "text": "Answer: x"} for row in rows])
    assert script("judge", *given(judge__kind="rule", answers=own))[0] == 0
    assert figures(tmp_path / "out", "judged")["win_rate"]["value"] == 0.0


def test_a_dry_run_asks_nobody_and_leaves_nothing(script, chat, stub, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"stub": {"input_cost_per_token": 1e-3, "output_cost_per_token": 1e-3}}))
    code, out, _ = script("judge", *chat(judge__prices=prices), "--dry-run")
    assert code == 0 and not stub.requests and not (tmp_path / "out").exists()
    assert f"games        {2 * QUESTIONS} of {QUESTIONS} questions, {2 * QUESTIONS} verdicts to ask for" in out
    assert f"{2 * QUESTIONS} calls to stub, at least" in out and "USD one by one (" in out and "as a batch" not in out
    assert f"without what {2 * QUESTIONS} images take" in out
    # a call of the stub is 100 and 10 tokens
    _, out, _ = script("judge", *chat(judge__prices=prices), "--max-calls=10")
    assert "took 10 calls (10 answered), 1,000 prompt tokens" in out and "1.1000 USD" in out
    _, out, _ = script("judge", *chat(judge__prices=prices), "--dry-run")
    assert (
        f"{2 * QUESTIONS - 10} calls to stub" in out
        and "about 5.50 USD one by one (after 10 answers of 100 and 10" in out
    )


def test_asked_once_over_three_commands(script, chat, stub, tmp_path):
    code, out, err = script("judge", *chat(), "--max-calls=25")
    assert code == 0 and "stopped: --max-calls=25 is reached" in err and not (tmp_path / "out").exists()
    assert f"{2 * QUESTIONS - 25} verdicts are missing; the same command goes on with them" in err
    assert "the cost is not whole: configs/prices.json has no price of stub" in out
    code, out, err = script("judge", *chat())
    assert code == 0 and f"took {2 * QUESTIONS - 25} calls" in out and not err.count("missing")
    before = figures(tmp_path / "out")
    code, out, _ = script("judge", *chat())
    assert code == 0 and "took" not in out and figures(tmp_path / "out") == before
    assert stub.games.total() == 2 * QUESTIONS and set(stub.games.values()) == {1}


def test_a_judge_that_always_answers_a_is_warned_of(script, given):
    with serving(StubJudge(lambda *shown: "[[A]]")) as url:
        code, out, _ = script("judge", *given(judge__model="stub", judge__base_url=url))
    assert code == 0
    assert "warning: stage2: the judge says the same in both orders in 0% of the pairs" in out
    assert "warning: stage2: the judge nearly always chooses the answer shown first" in out


def test_questions_that_the_endpoint_refuses_are_left_out_and_said(script, given, rows, tmp_path):
    refused = rows[4]["question"]

    def opinion(question, first, second):
        return failure(400, "too many tokens", "context_length_exceeded") if question == refused else "[[C]]"

    with serving(StubJudge(opinion)) as url:
        code, out, err = script("judge", *given(judge__model="stub", judge__base_url=url))
    left_out = sum(row["question"] == refused for row in rows)
    assert code == 1 and f"{2 * left_out} games had no answer, the first of them" in err and "too many tokens" in err
    assert f"{QUESTIONS - left_out} of {QUESTIONS} questions count, the others lack a verdict" in err
    assert figures(tmp_path / "out")["win_rate"]["n"] == QUESTIONS - left_out


def test_no_verdict_at_all_leaves_nothing(script, given, tmp_path):
    """Two games without an answer end no collection, but no question is left to count."""
    refusing = StubJudge(lambda *shown: failure(400, "too many tokens", "context_length_exceeded"))
    with serving(refusing) as url:
        flags = given(judge__model="stub", judge__base_url=url, evaluation__limit=1)
        code, out, err = script("judge", *flags)
    assert code == 1 and "0 of 1 questions count" in err and "left in" not in out and not (tmp_path / "out").exists()


def test_a_server_that_is_not_there(script, given, tmp_path):
    code, _, err = script("judge", *given(judge__model="stub", judge__base_url="http://127.0.0.1:9/v1"))
    assert code == 1 and "is the server running?" in err and not (tmp_path / "out").exists()


def test_a_signal_finishes_what_is_in_flight_and_loses_nothing(script, given, tmp_path):
    stub = StubJudge(lambda *shown: "[[A]]", delay=0.1)
    with serving(stub) as url:
        flags = given(judge__model="stub", judge__base_url=url, judge__concurrency=2)
        process = launch([], "scripts/judge.py", *flags)
        while stub.games.total() < 8:
            assert process.poll() is None, finish(process)
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
        assert code == 130 and "stopped: interrupted" in err and "the same command goes on" in err, out + err
        assert "Traceback" not in err and 8 <= stub.games.total() < 2 * QUESTIONS
        assert script("judge", *flags)[0] == 0
    assert stub.games.total() == 2 * QUESTIONS and set(stub.games.values()) == {1}
    assert len(lines(tmp_path / "out/judged.jsonl")) == QUESTIONS


REFUSED = {
    "no answers": ({"answers": None}, [], "--answers is missing: the student's answers: a JSONL file"),
    "no reference": ({"reference": None}, [], "--reference is missing: the answers to compare with"),
    "no output": ({"output": None}, [], "--output is missing: folder for eval.json"),
    "no calls": ({}, ["--max-calls=0"], "--max-calls=0 must be above 0"),
    "dry and limited": (
        {},
        ["--dry-run", "--max-usd=3"],
        "--dry-run does not go together with --max-calls or --max-usd",
    ),
    "misspelt": ({}, ["--answer=x"], "unknown key 'answer'; did you mean 'answers'?"),
    "no split": ({"evaluation__split": ""}, [], "evaluation.split is empty"),
    "unknown split": ({"evaluation__split": "nowhere"}, [], "has no split 'nowhere'"),
    "a file as output": ({"output": CONFIG}, [], "quickstart.yaml is a file: give a folder"),
    "no such file": ({"answers": "gone.jsonl"}, [], "gone.jsonl: the answers cannot be read"),
    "limits of a rule": ({}, ["--max-calls=3"], "--max-calls and --max-usd mean nothing for judge.kind=rule"),
    "no model": ({"judge__kind": "chat"}, [], "judge.kind=chat needs judge.model"),
    "no price": (
        {"judge__kind": "chat", "judge__model": "m", "judge__base_url": "http://127.0.0.1:9/v1"},
        ["--max-usd=3"],
        "--max-usd cannot be kept: configs/prices.json has no price of m",
    ),
    "anchors not collected": (
        {"teacher__kind": "chat", "teacher__model": "m"},
        [],
        "run `python scripts/collect_anchors.py --config configs/quickstart.yaml",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_end_in_one_sentence(script, given, tmp_path, name):
    settings, more, said = REFUSED[name]
    code, _, err = script("judge", *given(**{"judge__kind": "rule", **settings}), *more)
    assert code == 2 and said in err and err.count("\n") == 1, err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def spoilt(run_folder):
    return run_folder / "predictions_val_stage2.jsonl"


SPOILT = {
    "half-written": (lambda text: text[:-20], "stage2.jsonl, line 30, the last one, is half-written"),
    "missing": (lambda text: text.split("\n", 1)[1], "has no answer to 1 of 30 questions, the first of them"),
    "unknown": (lambda text: text + '{"id": "stranger", "text": "x"}\n', "id 'stranger' is no question of the split"),
    "empty": (lambda text: "", "has no answer to 30 of 30 questions"),
}


@pytest.mark.parametrize("name", SPOILT)
@pytest.mark.parametrize("role", ["answers", "reference", "other"])
def test_spoilt_answers_in_every_role(script, given, run_folder, spoilt, name, role):
    spoil, said = SPOILT[name]
    spoilt.write_text(spoil(spoilt.read_text()))
    good = run_folder / "predictions_val_stage1.jsonl"
    roles = {"answers": good, "reference": good, "other": good, role: run_folder}
    code, _, err = script("judge", *given(judge__kind="rule", **roles))
    assert code == 2 and said in err and err.count("\n") == 1, err


def test_an_empty_run_folder(script, given, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = script("judge", *given(judge__kind="rule", answers=tmp_path / "empty"))
    assert code == 2 and "empty holds no predictions_val.jsonl or predictions_val_STAGE.jsonl: give the folder" in err


def test_a_damaged_table_is_told_before_anyone_is_asked(script, chat, stub, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/eval.json").write_text("{")
    code, _, err = script("judge", *chat())
    assert code == 2 and "eval.json is not valid JSON" in err and not stub.requests
    assert (tmp_path / "out/eval.json").read_text() == "{"
