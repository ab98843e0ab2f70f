"""scripts/judge.py against the real server `transformers serve` with a tiny LLaVA as judge."""

import json

from tests.judging.models import tiny_judge
from tests.run.jobs import finish, launch, lines
from tests.servers.serve import served
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.scenes.release import write_release

QUESTIONS = 3


def test_a_tiny_vision_language_model_judges_over_http(script, tmp_path):
    """It says nothing that can be read: each of its games is asked twice over, is a tie, and is counted and said."""
    write_release(tmp_path / "scenes", "val", QUESTIONS, seed=0)
    rows = json.loads((tmp_path / "scenes/aokvqa_v1p0_val.json").read_text())
    found = [{"id": row["question_id"], "text": f"I see it. Answer: {row['choices'][0]}"} for row in rows]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))
    model = tiny_judge(tmp_path / "judge")
    wanted = {
        "data.root": tmp_path / "scenes",
        "answers": tmp_path / "mine.jsonl",
        "reference": "anchors",
        "output": tmp_path / "out",
        "judge.model": model,
        "judge.max_tokens": 8,
        "judge.concurrency": 1,
    }
    (tmp_path / "hub").mkdir()
    with served(model, tmp_path / "hub") as address:
        flags = [f"--{key}={value}" for key, value in {**wanted, "judge.base_url": f"{address}/v1"}.items()]
        code, out, err = finish(launch([], "scripts/judge.py", *flags))
        assert code == 0, out + err
        again = script("judge", *flags)
    with AnchorStore(tmp_path / "scenes/judge.sqlite") as store:
        asked = list(store)
        assert store.ledger(str(model)).outcomes == {"answered": 4 * QUESTIONS}
    # an image of 9 tokens, two answers, and for half of them a second question
    assert all(anchor.text and anchor.usage["prompt_tokens"] > 300 for anchor in asked) and len(asked) == 4 * QUESTIONS
    judged = lines(tmp_path / "out/judged.jsonl")
    assert [line["score"] for line in judged] == [0.5] * QUESTIONS
    assert all(len(said) == 2 for line in judged for said in line["said"])
    metrics = json.loads((tmp_path / "out/eval.json").read_text())["aokvqa_mc"]["val"]["judged"]
    assert metrics["win_rate"]["value"] == 0.5 and metrics["judge_unparsable"]["value"] == 1.0
    assert "warning: judged: 100% of the verdicts cannot be read and count as ties" in out
    assert again[0] == 0 and "took" not in again[1]
