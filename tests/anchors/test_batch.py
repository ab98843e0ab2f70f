"""Batch files: shards within the limits, results under their keys."""

import json
import re

import pytest

from tests.anchors.teacher import USAGE, Templates
from tests.servers.http import completion, failure
from tests.servers.rows import write_rows
from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.batch import read_results, write_requests
from vlrlcd.anchors.collect import missing
from vlrlcd.anchors.prices import Prices
from vlrlcd.anchors.teachers import ChatTeacher
from vlrlcd.config import TeacherConfig
from vlrlcd.data.example import Example
from vlrlcd.errors import UserError

SETTINGS = TeacherConfig(kind="chat", model="stub")


@pytest.fixture
def wanted(tmp_path):
    picture = write_rows(tmp_path / "data", 0) / "red.png"
    rows = [Example(f"id{n}", f"row {n}", (picture,), f"Question {n}?") for n in range(7)]
    return asks(rows, Templates(), ChatTeacher(SETTINGS))


def requests(paths):
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]


def test_a_request_is_what_the_endpoint_would_get(wanted, tmp_path):
    (path,) = write_requests(wanted, SETTINGS, tmp_path / "batch")
    (lines,) = requests([path])
    assert [line["custom_id"] for line in lines] == [ask.key for ask in wanted]
    assert all(re.fullmatch("[0-9a-f]{64}", line["custom_id"]) for line in lines)
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
    body = lines[0]["body"]
    assert body["model"] == "stub" and body["max_completion_tokens"] == 512
    assert body["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")


def test_shards_keep_both_limits(wanted, tmp_path):
    by_count = write_requests(wanted, SETTINGS, tmp_path / "count", most_requests=3)
    assert [len(lines) for lines in requests(by_count)] == [3, 3, 1]
    size = max(len(line) + 1 for line in by_count[0].read_text().splitlines())
    by_size = write_requests(wanted, SETTINGS, tmp_path / "size", most_bytes=2 * size)
    assert [len(lines) for lines in requests(by_size)] == [2, 2, 2, 1]
    assert all(path.stat().st_size <= 2 * size for path in by_size)
    assert not list(tmp_path.rglob("*.partial"))


def test_a_request_that_no_file_can_take(wanted, tmp_path):
    with pytest.raises(UserError, match=r"lower teacher\.image_max_side"):
        write_requests(wanted, SETTINGS, tmp_path / "batch", most_bytes=100)


def test_files_that_are_out_already_are_not_overwritten(wanted, tmp_path):
    write_requests(wanted, SETTINGS, tmp_path / "batch")
    with pytest.raises(UserError, match="holds request files already"):
        write_requests(wanted, SETTINGS, tmp_path / "batch")


def result(ask, response):
    body = json.loads(response.body)
    return {"id": "r", "custom_id": ask.key, "response": {"status_code": response.status, "body": body}, "error": None}


def expired(ask):
    error = {"code": "batch_expired", "message": "This request could not be executed before the completion window."}
    return {"id": "r", "custom_id": ask.key, "response": None, "error": error}


@pytest.fixture
def results(wanted, tmp_path):
    """A results file and an error file, beside the requests."""
    write_requests(wanted, SETTINGS, tmp_path / "batch")
    good = [result(ask, completion(f"about {ask.example.question}", usage=USAGE)) for ask in wanted[:3]]
    filtered = result(wanted[3], completion(None, "content_filter", usage=USAGE))
    empty = result(wanted[4], completion("", usage=USAGE))
    stranger = {**good[0], "custom_id": "0" * 64}
    lines = {"output.jsonl": [*good, filtered, empty, stranger], "errors.jsonl": [expired(wanted[5])]}
    lines["errors.jsonl"].append(result(wanted[6], failure(400, "no such image")))
    for name, found in lines.items():
        (tmp_path / "batch" / name).write_text("".join(json.dumps(line) + "\n" for line in found))
    return tmp_path / "batch"


def test_results_are_stored_under_their_keys_at_batch_prices(wanted, results, store, prices):
    done = read_results(results, wanted, SETTINGS, store, Prices(prices))
    assert (done.answered, done.elsewhere) == (4, 1)
    assert [store.get(ask.key).text for ask in wanted[:3]] == [f"about Question {n}?" for n in range(3)]
    assert store.get(wanted[0].key).cost_usd == pytest.approx(0.15) and store.get(wanted[0].key).answered_by
    assert store.get(wanted[3].key).flags == ("content_filter",)
    told = dict(done.given_up)
    assert "empty" in told["row 4"] and "completion window" in told["row 5"] and told["row 6"] == "no such image"
    assert store.ledger("stub").outcomes == {"answered": 4, "HTTP 400": 1, "batch_expired": 1, "empty answer": 1}
    assert store.ledger("stub").total.cost_usd == pytest.approx(5 * 0.15)


def test_reading_twice_changes_nothing_that_was_answered(wanted, results, store, prices):
    read_results(results / "output.jsonl", wanted, SETTINGS, store, Prices(prices))
    again = read_results(results / "output.jsonl", wanted, SETTINGS, store, Prices(prices))
    assert again.answered == 0 and not again.ledger
    assert store.ledger("stub").outcomes == {"answered": 4, "empty answer": 1}
    assert [ask.example.place for ask in missing(wanted, store)] == ["row 4", "row 5", "row 6"]


def test_what_single_calls_answered_is_not_written_into_a_batch(wanted, results, store, prices, tmp_path):
    read_results(results, wanted, SETTINGS, store, Prices(prices))
    (path,) = write_requests(missing(wanted, store), SETTINGS, tmp_path / "rest")
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"custom_id": "a', "line 2 is not valid JSON"),
        ('{"id": 3}', "line 2 has no custom_id"),
        ('{"custom_id": "a", "response": {"status_code": 200, "body": "text"}}', "line 2: response, body or error"),
        ('{"custom_id": "a", "response": null, "error": "text"}', "line 2: response, body or error"),
    ],
)
def test_a_file_that_was_cut_keeps_what_stood_before(wanted, results, store, prices, text, words):
    whole = (results / "output.jsonl").read_text().splitlines()
    (results / "output.jsonl").write_text(f"{whole[0]}\n{text}")
    with pytest.raises(UserError, match=words):
        read_results(results / "output.jsonl", wanted, SETTINGS, store, Prices(prices))
    assert len(store) == 1


def test_a_file_that_is_no_text(wanted, store, prices, tmp_path):
    (tmp_path / "out.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"out\.jsonl cannot be read as a result file"):
        read_results(tmp_path / "out.jsonl", wanted, SETTINGS, store, Prices(prices))


def test_a_folder_without_results(wanted, store, prices, tmp_path):
    write_requests(wanted, SETTINGS, tmp_path / "batch")
    for place in (tmp_path / "batch", tmp_path / "nowhere", tmp_path / "nowhere.jsonl"):
        with pytest.raises(UserError, match="holds no result files"):
            read_results(place, wanted, SETTINGS, store, Prices(prices))
