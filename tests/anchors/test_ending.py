"""How a collection ended, for people and for the shell."""

import pytest

from vlrlcd.anchors.collector import Collection
from vlrlcd.anchors.ending import SHOWN, exit_code, goes_on, tell_faults

GIVEN_UP = [(f"row {number}", "too long") for number in range(SHOWN + 2)]


@pytest.mark.parametrize(
    ("done", "code", "further"),
    [
        (Collection(), 0, True),
        (Collection(given_up=GIVEN_UP), 1, True),
        (Collection(stopped="--max-calls=3 is reached", limited=True), 0, True),
        (Collection(stopped="--max-calls=3 is reached", limited=True, given_up=GIVEN_UP), 1, True),
        (Collection(stopped="nobody is there"), 1, False),
        (Collection(stopped="interrupted", interrupted=True), 130, True),
    ],
)
def test_codes(done, code, further):
    assert exit_code(done) == code and goes_on(done) == further


def test_a_few_of_those_without_an_answer_are_named(capsys):
    tell_faults(Collection(given_up=GIVEN_UP, stopped="enough"), "games")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{len(GIVEN_UP)} games had no answer, the first of them:" and said[-1] == "stopped: enough"
    assert said[1:-1] == [f"  row {number}: too long" for number in range(SHOWN)]
