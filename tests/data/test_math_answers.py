import subprocess
import sys
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.data import math_answers
from vlrlcd.data.math_answers import LONGEST, last_boxed, one_form, same_string, same_value
from vlrlcd.data.math_verifier import Verifier
from vlrlcd.errors import UserError


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"It is $\boxed{5}$.", "5"),
        (r"\boxed{1} and then \boxed{2}", "2"),
        (r"\boxed{1} and then \fbox{2}", "2"),
        (r"\boxed{\frac{1}{2}} and more}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed {5}", "5"),
        (r"\boxed 5.", "5"),
        (r"\boxed{ 5 }", "5"),
        (r"\boxed{}", None),
        (r"\boxed{5} and \boxed{6", None),
        (r"\boxed", None),
        ("5", None),
        ("", None),
    ],
)
def test_the_last_box(text, answer):
    assert last_boxed(text) == answer


@given(st.recursive(st.text(alphabet="ab1 +"), lambda inner: st.builds("{{{}}}{}".format, inner, inner)), st.text())
def test_what_was_put_in_a_box_comes_out(content, before):
    assert last_boxed(f"{before}\\boxed{{{content}}} and so on") == (content.strip() or None)


@given(st.text())
def test_any_text_is_read(text):
    last_boxed(text), last_boxed(f"\\boxed{text}"), one_form(text)


SAME = [
    (r"\frac{1}{2}", r"\frac12"),
    (r"\frac{1}{2}", "1/2"),
    (r"\frac{1}{2}", r"\dfrac{1}{2}"),
    (r"\frac{1}{2}", r"\tfrac 1 2"),
    (r"\frac{1}{2}", "0.5"),
    (r"\frac{1}{2}", ".5"),
    (r"\frac{3}{x}", r"\frac3x"),
    (r"\frac{1}{72}", r"\frac1{72}"),
    (r"\frac{1}{\sqrt{2}}", r"\frac1{\sqrt2}"),
    (r"\frac{-1}{2}", "-1/2"),
    (r"\sqrt{3}", r"\sqrt3"),
    (r"2\sqrt{3}", r"2 \sqrt 3"),
    ("5", "k = 5"),
    ("5", r"5\text{ cm}"),
    ("25", r"25\text{ cm}^2"),
    ("60", r"60^\circ"),
    ("60", r"60^{\circ}"),
    ("10", r"10\%"),
    ("10", r"\$10"),
    ("(1,2)", r"\left( 1, 2 \right)"),
    ("10000", r"10\!000"),
]
DIFFERENT = [
    ("5", "6"),
    ("(1,2)", "(2,1)"),
    ("5", ""),
    ("x=1,y=2", "2"),
    (r"\frac{1}{2}", r"\frac{2}{1}"),
    ("1.5", "15"),
    (r"\text{ five}", r"\text{ six}"),
    ("0.5", "10.5"),
]
SAME_BY_VALUE = [
    (r"\frac{1}{2}", r"\frac{2}{4}"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    ("x^2+1", "1+x^2"),
    ("10,000", "10000"),
    (r"\frac{3}{4}", "0.75"),
]


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_the_string_rule_takes_for_the_same(gold, answer):
    assert same_string(gold, answer) and same_string(answer, gold) and same_value(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_what_differs_by_either_rule(gold, answer):
    assert not same_string(gold, answer) and not same_value(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), SAME_BY_VALUE)
def test_what_math_verify_alone_takes_for_the_same(gold, answer, monkeypatch):
    assert not same_string(gold, answer) and same_value(gold, answer)
    monkeypatch.setattr(math_answers, "math_verify_version", lambda: None)
    same_value.cache_clear()
    assert not same_value(gold, answer)
    same_value.cache_clear()


@given(st.text(alphabet="0123456789/.-+=xk\\frac{}sqrt$% "))
def test_an_answer_equals_itself_whatever_stands_around_it(text):
    assert same_string(text, text) and same_string(text, f" {text} ")


def test_the_rule_is_told(monkeypatch):
    assert math_answers.rule() == "the string rule of MATH, then math-verify 0.9.0"
    monkeypatch.setattr(math_answers, "math_verify_version", lambda: None)
    assert (
        "string rule of MATH alone" in math_answers.rule()
        and "math-verify is not installed (pip" in math_answers.rule()
    )


def test_long_answers_are_compared_as_strings(monkeypatch):
    monkeypatch.setattr(math_answers, "_verifier", lambda: pytest.fail("asked"))
    same_value.cache_clear()
    assert not same_value("5", "5+" + "0+" * LONGEST + "0")
    assert same_value("5" * 400, "5" * 400)


@pytest.mark.parametrize("answer", [r"\frac{", "}{", "\\", "\x00", "\n", '"', "(" * 250, r"\sqrt" * 50])
def test_nonsense_is_wrong_and_nothing_breaks(answer):
    assert not same_value("5", answer)


def test_an_answer_that_never_ends_costs_a_limit_and_the_next_is_compared(capsys):
    verifier = Verifier(limit_s=1.0)
    assert verifier.same("5", "4+1")
    started = time.monotonic()
    assert not verifier.same("5", "5!!!!")
    assert 1.0 <= time.monotonic() - started < 5.0 and verifier.given_up == 1
    assert "'5!!!!' was not compared with '5' and counts as wrong: math-verify came to no end in 1 s" in (
        capsys.readouterr().err
    )
    assert verifier.same("5", "4+1")


def test_a_process_that_was_killed_is_replaced():
    verifier = Verifier()
    assert verifier.same("5", "4+1")
    verifier._process.kill()
    verifier._process.wait()
    assert not verifier.same("5", "4+1") and verifier.given_up == 1
    assert verifier.same("5", "4+1")


def test_a_process_that_cannot_start_is_a_fault_of_the_installation(monkeypatch, tmp_path):
    (tmp_path / "program.py").write_text("import no_such_module")
    monkeypatch.setattr("vlrlcd.data.math_verifier.PROGRAM", tmp_path / "program.py")
    with pytest.raises(
        UserError, match=r"math-verify is installed but does not start .*see why with `python .*program"
    ):
        Verifier().same("5", "6")


def test_its_process_ends_with_the_one_that_asks():
    asks = (
        "from vlrlcd.data.math_verifier import Verifier; import os;"
        "v = Verifier(); v.same('5', '4+1'); print(v._process.pid, flush=True); os._exit(1)"
    )
    pid = int(subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True).stdout)
    deadline = time.monotonic() + 20
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
