"""Pairs to be judged."""

from tests.anchors.teacher import example
from vlrlcd.judging.pairs import Pair
from vlrlcd.judging.verdicts import Judged, Verdict


def pair(number=0, answer="It is a cab. Answer: cab", reference="It is a bus. Answer: bus", **more) -> Pair:
    return Pair(example(f"id{number}", f"question {number}", images=(), **more), answer, reference)


def decided(letters: str, **texts) -> Judged:
    """A pair whose two games ended in these letters; `-` is a verdict that cannot be read."""
    first, second = (Verdict(("words",), None if letter == "-" else letter) for letter in letters)
    return Judged(pair(**texts), (first, second))
