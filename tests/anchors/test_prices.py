"""Cost from usage and a price file; what is not known is not guessed."""

import json
from pathlib import Path

import pytest

from vlrlcd.anchors.ledger import Ledger, spending
from vlrlcd.anchors.prices import Prices
from vlrlcd.errors import UserError

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}
CACHED = {**USAGE, "prompt_tokens_details": {"cached_tokens": 400, "image_tokens": 600}}


def test_cost(prices):
    known = Prices(prices)
    assert known.cost("stub", USAGE) == pytest.approx(1000 * 2e-4 + 100 * 1e-3)
    assert known.cost("stub", CACHED) == pytest.approx(600 * 2e-4 + 400 * 1e-4 + 100 * 1e-3)
    assert known.cost("stub", USAGE, batch=True) == pytest.approx(1000 * 1e-4 + 100 * 5e-4)
    assert known.cost("stub", CACHED, batch=True) == known.cost("stub", USAGE, batch=True)


def test_what_is_not_known(prices):
    known = Prices(prices)
    assert known.cost("other", USAGE) is None
    assert known.cost("stub", {}) is None and known.cost("stub", {"prompt_tokens": 3}) is None
    assert known.cost("stub", {**USAGE, "prompt_tokens_details": None}) is not None


def test_cached_tokens_without_a_price_cost_the_full_one(tmp_path):
    (tmp_path / "p.json").write_text('{"m": {"input_cost_per_token": 1, "output_cost_per_token": 0, "mode": "chat"}}')
    assert Prices(tmp_path / "p.json").cost("m", CACHED) == 1000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "an object from model name"),
        ('{"m": 3}', "'m' must hold prices"),
        ('{"m": {"input_cost_per_token": "0.1"}}', "input_cost_per_token of 'm' is '0.1'"),
        ('{"m": {"output_cost_per_token_batches": -1}}', "output_cost_per_token_batches of 'm' is -1"),
    ],
)
def test_a_price_file_with_a_fault(tmp_path, content, words):
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(UserError) as caught:
        Prices(tmp_path / "p.json")
    assert words in str(caught.value) and "p.json" in str(caught.value)


def test_no_price_file(tmp_path):
    with pytest.raises(UserError, match=r"set teacher\.prices"):
        Prices(tmp_path / "p.json")


def test_the_repository_s_own_prices_are_whole():
    path = Path(__file__).parents[2] / "configs/prices.json"
    models = json.loads(path.read_text())
    assert models and all(Prices(path).known(m) and Prices(path).known(m, batch=True) for m in models)


def test_the_ledger_adds_up_and_says_what_it_does_not_know():
    ledger = Ledger()
    ledger.count("m", "answered", CACHED, 0.5)
    ledger.count("m", "answered", {}, None)
    ledger.count("m", "HTTP 503", {}, 0.0)
    ledger.count("m", "empty answer", USAGE, None)
    total = ledger.total
    assert (total.calls, total.prompt_tokens, total.cached_tokens, total.image_tokens) == (4, 2000, 400, 600)
    assert (total.completion_tokens, total.cost_usd, total.unpriced) == (200, 0.5, 2)
    assert list(ledger.outcomes.items())[0] == ("answered", 2)
    said = spending(ledger.facts())
    assert "4 calls (2 answered, 1 HTTP 503, 1 empty answer)" in said
    assert "2,000 prompt tokens (400 cached, 600 image)" in said
    assert said.endswith("0.5000 USD, and 2 calls whose cost is not known")
    assert "USD" not in spending(ledger.facts(), has_price=False)
