"""What the two scripts say and how they end."""

import json

import pytest

from tests.anchors.processes.jobs import flags
from tests.servers.http import completion, serving
from tests.servers.rows import write_rows
from vlrlcd.anchors.store import AnchorStore

PROMPTS = 12


@pytest.fixture
def asked():
    return []


@pytest.fixture
def address(asked):
    async def handler(request):
        asked.append(request)
        return completion(f"about {request.prompt.splitlines()[0]}")

    with serving(handler) as url:
        yield url.removesuffix("/v1")


@pytest.fixture
def data(tmp_path):
    return write_rows(tmp_path / "data", PROMPTS)


def test_a_dry_run_asks_nobody(script, data, address, asked, prices):
    code, out, _ = script("collect_anchors", *flags(data, address, teacher__prices=prices), "--dry-run")
    assert code == 0 and not asked
    assert f"0 of {PROMPTS} prompts have an answer of stub" in out and f"{PROMPTS} calls to stub" in out
    assert "USD one by one" in out and "--max-calls=20" in out


def test_a_taste_then_an_estimate_then_the_rest(script, data, address, asked, prices):
    given = flags(data, address, teacher__prices=prices, teacher__concurrency=2)
    code, out, err = script("collect_anchors", *given, "--max-calls=5")
    assert code == 0 and len(asked) == 5 and "5 anchors stored" in out and f"{PROMPTS - 5} prompts still without" in out
    assert "stopped: --max-calls=5 is reached" in err and "the same command goes on" in err
    assert "after 5 answers of 100 and 10 tokens" in script("collect_anchors", *given, "--dry-run")[1]
    code, out, err = script("collect_anchors", *given)
    assert code == 0 and len(asked) == PROMPTS and f"{PROMPTS} in the store, 0 prompts still without" in out
    assert f"took {PROMPTS - 5} calls ({PROMPTS - 5} answered), 700 prompt tokens" in out and "0.2100 USD" in out
    assert f"a teacher that judges 8 candidates of each would take {PROMPTS * 8} calls" in out and "stopped" not in err
    assert script("collect_anchors", *given)[0] == 0 and len(asked) == PROMPTS


def test_a_budget(script, data, address, asked, prices):
    given = flags(data, address, teacher__prices=prices, teacher__max_tokens=10, max_usd=0.1)
    code, out, err = script("collect_anchors", *given)
    assert code == 0 and len(asked) == 3 and "0.0900 USD" in out and "--max-usd=0.1 leaves nothing" in err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--max-calls=0"], "--max-calls=0 must be above 0"),
        (["--max-usd=-1"], "--max-usd=-1.0 must be above 0"),
        (["--max-usd=5"], "configs/prices.json has no price of stub"),
        (["--teacher.base_url=http://10.0.0.1/v1"], "--teacher.allow_plain_http=true"),
        (["--teacher.kind=column", "--write-batch=b"], "batch files are for teacher.kind=chat"),
        (["--read-batch=nowhere"], "nowhere holds no result files"),
        (["--max-call=5"], "unknown key 'max-call'; did you mean 'max-calls'?"),
        (["--dryrun"], "unknown key 'dryrun'; did you mean 'dry-run'?"),
        (["--write-batch=b", "--max-usd=5"], "--write-batch and --max-usd do not go together"),
        (["--dry-run", "--read-batch=b"], "--dry-run and --read-batch do not go together"),
        (["--teacher.modell=x"], "did you mean 'teacher.model'?"),
    ],
)
def test_mistakes_are_told_before_anyone_is_asked(script, data, address, asked, more, words):
    code, _, err = script("collect_anchors", *flags(data, address), *more)
    assert code == 2 and not asked and words in err and err.count("\n") == 1, err


def test_a_server_that_is_not_there_is_said_and_is_an_error(script, data):
    code, _, err = script("collect_anchors", *flags(data, "http://127.0.0.1:9", teacher__concurrency=2))
    assert code == 1 and "is the server running?" in err and "same command" not in err


def test_rows_that_ask_the_same_are_not_called_answered(script, data, address):
    rows = (data / "train.jsonl").read_text().splitlines()
    (data / "train.jsonl").write_text("\n".join([*rows, rows[0].replace('"id": "0"', '"id": "twin"')]) + "\n")
    out = script("collect_anchors", *flags(data, address), "--dry-run")[1]
    assert f"0 of {PROMPTS + 1} prompts have an answer" in out and "1 prompts ask the same as another" in out


def test_batches_there_and_back(script, data, address, asked, prices, tmp_path):
    given = flags(data, address, teacher__prices=prices)
    code, out, _ = script("collect_anchors", *given, f"--write-batch={tmp_path / 'b'}")
    assert code == 0 and "requests-001.jsonl" in out and not asked
    requests = [json.loads(line) for line in (tmp_path / "b/requests-001.jsonl").read_text().splitlines()]
    body = json.loads(completion("It is red.").body)
    answers = [{"custom_id": r["custom_id"], "response": {"status_code": 200, "body": body}} for r in requests]
    (tmp_path / "b/out.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    code, out, _ = script("collect_anchors", *given, f"--read-batch={tmp_path / 'b'}")
    assert code == 0 and f"{PROMPTS} anchors stored" in out and "0.1800 USD" in out
    assert script("collect_anchors", *given)[0] == 0 and not asked


def test_the_store_s_own_script(script, data, address, tmp_path, prices):
    script("collect_anchors", *flags(data, address, teacher__prices=prices))
    store, other = data / "anchors.sqlite", tmp_path / "other.sqlite"
    assert f"{PROMPTS} anchors, 0 faults" in script("anchors", "verify", store)[1]
    assert f"stub: {PROMPTS} calls ({PROMPTS} answered)" in script("anchors", "ledger", store)[1]
    assert script("anchors", "export", store, tmp_path / "out.parquet")[0] == 0
    assert f"{PROMPTS} new anchors" in script("anchors", "import", other, tmp_path / "out.parquet")[1]
    assert "0 new anchors" in script("anchors", "merge", other, store)[1]
    assert "stub: " in script("anchors", "ledger", other)[1]
    with AnchorStore(other) as opened:
        opened._connection.execute("UPDATE anchors SET request = '{}'")
    code, _, err = script("anchors", "verify", other)
    assert code == 1 and err.count("the key is not that of the request") == PROMPTS


def test_a_store_that_is_not_there(script, tmp_path):
    for command in (["verify"], ["ledger"], ["export"]):
        more = [tmp_path / "out.jsonl"] if command == ["export"] else []
        code, _, err = script("anchors", *command, tmp_path / "none.sqlite", *more)
        assert code == 2 and "none.sqlite does not exist" in err
    assert not (tmp_path / "none.sqlite").exists()
