"""Answers of the MATH data set: what stands in the last box, and whether two such texts mean the same.

The string rule follows the one that MATH was published with (Hendrycks et al. 2021): both sides are written in one
form, then compared as text. math-verify, where it is installed, is asked about what that rule tells apart.
"""

import re
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version

from vlrlcd.data.math_verifier import Verifier

BOX = re.compile(r"\\(?:boxed|fbox)\s*")
LONGEST = 300
"""Characters of an answer up to which math-verify is asked."""
DROPPED = ("\\left", "\\right", "\\!", "\\$", "$", "\\%", "%", "^{\\circ}", "^\\circ")
UNIT = "\\text{ "
NAMED = re.compile(r"[a-zA-Z]{1,2}=(?=.)")
NO_ZERO = re.compile(r"(?<![\d.])\.(?=\d)")
INTEGERS = re.compile(r"(-?\d+)/(-?\d+)")
BARE_ROOT = re.compile(r"\\sqrt(\w)")
BARE_FRACTION = re.compile(r"\\frac([^{}\\])(?:([^{}\\])|(?=\{))")


def last_boxed(text: str) -> str | None:
    r"""What the last `\boxed{...}` or `\fbox{...}` holds, stripped, or the one sign after `\boxed `.

    None where there is no box, where the last one is never closed, and where it is empty.
    """
    boxes = list(BOX.finditer(text))
    if not boxes:
        return None
    start = boxes[-1].end()
    if text[start : start + 1] != "{":
        found = re.match(r"[^\s{}$\\.,]+", text[start:])
        return found[0] if found else None
    depth = 0
    for place in range(start, len(text)):
        escaped = text[place - 1] == "\\" and text[place - 2] != "\\"
        depth += 0 if escaped else {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + 1 : place].strip() or None
    return None


def one_form(text: str) -> str:
    """An answer as the string rule compares it."""
    text = text.replace("\n", "").strip()
    value, *units = text.split(UNIT)
    text = value if value and len(units) == 1 else text
    for mark in DROPPED:
        text = text.replace(mark, "")
    text = text.replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac").replace(" ", "")
    text = NO_ZERO.sub("0.", text)
    text = NAMED.sub("", text) if NAMED.match(text) and text.count("=") == 1 else text
    text = BARE_ROOT.sub(r"\\sqrt{\1}", text)
    text = BARE_FRACTION.sub(lambda m: rf"\frac{{{m[1]}}}" + (f"{{{m[2]}}}" if m[2] else ""), text)
    if text == "0.5":
        return "\\frac{1}{2}"
    whole = INTEGERS.fullmatch(text)
    return rf"\frac{{{whole[1]}}}{{{whole[2]}}}" if whole else text


def same_string(gold: str, answer: str) -> bool:
    """Whether the string rule takes two answers for the same."""
    return one_form(gold) == one_form(answer)


@lru_cache(maxsize=2**16)
def same_value(gold: str, answer: str) -> bool:
    """Whether two answers are the same by the string rule or, where it is installed, by math-verify.

    What is longer than LONGEST is compared as a string alone. `gold` is the data set's: the order counts.
    """
    if same_string(gold, answer):
        return True
    if math_verify_version() is None or max(len(gold), len(answer)) > LONGEST:
        return False
    return _verifier().same(gold, answer)


@cache
def math_verify_version() -> str | None:
    """None where math-verify is not installed."""
    try:
        return version("math-verify")
    except PackageNotFoundError:
        return None


def rule() -> str:
    """The rule by which answers are compared here, for people."""
    if found := math_verify_version():
        return f"the string rule of MATH, then math-verify {found}"
    return "the string rule of MATH alone, for math-verify is not installed (pip install 'math-verify[antlr4_13_2]')"


@cache
def _verifier() -> Verifier:
    return Verifier()
