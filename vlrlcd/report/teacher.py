"""What the teacher was asked, what of it is trained on, and what it cost."""

from collections.abc import Mapping
from typing import Any

from vlrlcd.report.read import Run, mapping, number

TOKENS = {
    "Prompt tokens": "prompt_tokens",
    "of these cached": "cached_tokens",
    "of these image": "image_tokens",
    "Answer tokens": "completion_tokens",
}


def facts(run: Run) -> list[tuple[str, str]]:
    """Titles and values, as far as the run says them; calls and cost only of a teacher that was called."""
    known = mapping(run.summary.get("teacher"))
    if not known:
        return []
    aside, spent = mapping(known.get("set_aside")), mapping(known.get("spent"))
    shown = [
        ("Teacher", str(known.get("name", ""))),
        *_calls(mapping(known.get("collected"))),
        ("Cost of these anchors", _cost(spent) if spent else ""),
        ("Calls if it judged every candidate", _count(known.get("calls_if_it_judged"))),
        ("Anchors, one per prompt", _count(known.get("anchors"))),
        ("Trained on", _count(known.get("trained_on"))),
        *((f"Set aside: {reason}", _count(count)) for reason, count in aside.items()),
        *((title, _count(spent.get(key))) for title, key in TOKENS.items()),
    ]
    return [(title, value) for title, value in shown if value]


def _calls(collected: Mapping[str, Any]) -> list[tuple[str, str]]:
    outcomes = mapping(collected.get("outcomes"))
    said = ", ".join(f"{_count(count)} {outcome}" for outcome, count in outcomes.items())
    return [("Calls into this store", f"{_count(collected.get('calls'))} ({said})")] if outcomes else []


def _cost(spent: Mapping[str, Any]) -> str:
    calls, unpriced, usd = (number(spent.get(key)) or 0 for key in ("calls", "unpriced", "cost_usd"))
    if unpriced and unpriced >= calls:
        return "not known: no price or no usage"
    return f"{usd:,.4f} USD" + (f", without {_count(int(unpriced))} of unknown cost" if unpriced else "")


def _count(value: Any) -> str:
    found = number(value)
    return "" if found is None else f"{found:,.0f}"
