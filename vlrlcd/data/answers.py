"""Answers as text: what a model's output names, and the anchor that a dataset row gives."""

import re
import string
from collections.abc import Sequence

from vlrlcd.data.example import Example
from vlrlcd.errors import UserError

MARKER = re.compile(r"\banswer[ \t]*:", re.IGNORECASE)
LETTER = re.compile(r"\(?([A-Z])(?:[).:]+(?:\s+(.+))?)?", re.DOTALL)
EDGES = string.punctuation + string.whitespace


def answer_text(text: str) -> str | None:
    """What follows the last `Answer:`, stripped; None without that marker."""
    markers = list(MARKER.finditer(text))
    return text[markers[-1].end() :].strip() if markers else None


def explanation(text: str) -> str:
    """What stands before the last `Answer:`, stripped; the whole text without that marker."""
    return parted(text)[0].strip()


def parted(text: str) -> tuple[str, str]:
    """What stands before the last `Answer:`, and the rest from that marker on; the whole text and "" without it."""
    markers = list(MARKER.finditer(text))
    place = markers[-1].start() if markers else len(text)
    return text[:place], text[place:]


def answer_choice(text: str, choices: Sequence[str]) -> str | None:
    """The choice named after the last `Answer:`, by its text or its letter; None where none is, nothing is guessed.

    The rest of the text is read first, then its first line alone. Case and punctuation at the edges do not count
    unless two choices differ only in them.
    """
    named = answer_text(text)
    if not named:
        return None
    first_line = named.split("\n", 1)[0]
    found = (read(part, choices) for part in (named, first_line) for read in (_by_text, _by_letter))
    return next((choice for choice in found if choice is not None), None)


def _by_text(named: str, choices: Sequence[str]) -> str | None:
    for form in (str, str.strip, _bare):
        matches = {choice for choice in choices if form(choice) and form(choice) == form(named)}
        if len(matches) == 1:
            return matches.pop()
    return None


def _bare(text: str) -> str:
    return text.strip(EDGES).casefold()


def _by_letter(named: str, choices: Sequence[str]) -> str | None:
    match = LETTER.fullmatch(named.strip("*_\"'` \t\n"))
    index = ord(match[1]) - ord("A") if match else len(choices)
    if index >= len(choices):
        return None
    spelt_out = match[2]
    return choices[index] if spelt_out is None or _by_text(spelt_out, choices) == choices[index] else None


def anchor_text(example: Example, style: str) -> str:
    """The anchor that a dataset row holds itself, in one of `STYLES`.

    `explained` is the first rationale, then `Answer: ` and the answer; `terse` leaves out the rationale; `rationale`
    is the rationale alone (a solution, a story); `boxed` the answer alone in a box.

    Raises UserError naming the row if it lacks what the style needs.
    """
    return STYLES[style](example)


def _answer(example: Example) -> str:
    if example.answer is None:
        raise UserError(f"{example.place}: no answer to make an anchor of; add one, or ask a teacher for anchors")
    return example.answer


def _terse(example: Example) -> str:
    return f"Answer: {_answer(example)}"


def _boxed(example: Example) -> str:
    return f"\\boxed{{{_answer(example)}}}"


def _rationale(example: Example) -> str:
    if not example.rationales:
        raise UserError(f"{example.place}: no rationale to make an anchor of; add one, or ask a teacher for anchors")
    return example.rationales[0].strip()


def _explained(example: Example) -> str:
    return f"{_rationale(example)} {_terse(example)}"


STYLES = {"explained": _explained, "terse": _terse, "rationale": _rationale, "boxed": _boxed}
