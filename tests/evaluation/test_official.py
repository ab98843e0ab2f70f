"""Our scores and our prediction file, held against the official evaluator's rules written down independently."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.data.tasks import CHOICE
from vlrlcd.evaluation.metrics import accuracy, direct_answer_official, named
from vlrlcd.evaluation.predictions import read_predictions, write_predictions


def official_accuracy(records, predictions):
    """Percent exactly equal to the right choice's text; a question without prediction is wrong."""
    right = 0
    for record in records:
        text = predictions.get(record["question_id"], {}).get("multiple_choice")
        if text == record["choices"][record["correct_choice_idx"]]:
            right += 1
    return 100 * right / len(records)


def official_direct_answer(records, predictions):
    """Percent of min(matches / 3, 1) over the questions that are not difficult; a missing prediction scores 0."""
    scored, points = 0, 0.0
    for record in records:
        if record["difficult_direct_answer"]:
            continue
        scored += 1
        text = predictions.get(record["question_id"], {}).get("direct_answer")
        matches = len([answer for answer in record["direct_answers"] if answer == text])
        points += 1.0 if matches >= 3 else matches / 3
    return 100 * points / scored


def record_of(example):
    return {
        "question_id": example.id,
        "choices": list(example.choices),
        "correct_choice_idx": example.choices.index(example.answer),
        "direct_answers": list(example.direct_answers),
        "difficult_direct_answer": example.difficult_direct_answer,
    }


def percent(scores):
    counted = [score for score in scores if score is not None]
    return 100 * math.fsum(counted) / len(counted)


WORDS = st.sampled_from(["cab", "Cab", "cab.", "the cab", "bus", "2", "two", "über", " cab", ""])
ROW = st.fixed_dictionaries(
    {
        "choices": st.lists(WORDS.filter(bool), min_size=2, max_size=4),
        "right": st.integers(0, 1),
        "direct_answers": st.lists(WORDS, min_size=1, max_size=10),
        "difficult": st.booleans(),
        "chosen": st.builds("{}{}".format, st.sampled_from(["Answer: ", "So. Answer:", ""]), WORDS),
        "said": st.builds("{}{}{}".format, st.sampled_from(["", " ", "\n"]), WORDS, st.sampled_from(["", " "])),
    }
)


@given(rows=st.lists(ROW, min_size=1, max_size=8), order=st.randoms(use_true_random=False))
def test_the_written_file_scores_the_same_officially(make, tmp_path_factory, rows, order):
    examples = [
        make(
            number,
            choices=tuple(row["choices"]),
            answer=row["choices"][row["right"]],
            direct_answers=tuple(row["direct_answers"]),
            difficult_direct_answer=row["difficult"] and number > 0,
        )
        for number, row in enumerate(rows)
    ]
    texts, said = [row["chosen"] for row in rows], [row["said"] for row in rows]
    path = tmp_path_factory.mktemp("official") / "predictions_val.json"
    write_predictions(path, [example.id for example in examples], named(CHOICE, examples, texts), said)
    again = read_predictions(path, examples)
    assert accuracy(CHOICE, examples, again.multiple_choice) == accuracy(
        CHOICE, examples, named(CHOICE, examples, texts)
    )
    assert direct_answer_official(examples, again.direct_answer) == direct_answer_official(examples, said)
    predictions = json.loads(path.read_text(encoding="utf-8"))
    records = [record_of(example) for example in examples]
    order.shuffle(records)
    found = percent(accuracy(CHOICE, examples, named(CHOICE, examples, texts)))
    assert found == pytest.approx(official_accuracy(records, predictions))
    ours = percent(direct_answer_official(examples, said))
    assert ours == pytest.approx(official_direct_answer(records, predictions))


PREDICTED = {
    "missing question": {"q0": {"multiple_choice": "cab", "direct_answer": "cab"}},
    "missing answer": {"q0": {"multiple_choice": "cab"}, "q1": {"multiple_choice": "cab", "direct_answer": "taxi"}},
    "extra question": {
        "q0": {"multiple_choice": "cab"},
        "q1": {"multiple_choice": "bus"},
        "q9": {"direct_answer": "b"},
    },
    "difficult question": {f"q{n}": {"direct_answer": "cab"} for n in range(3)},
    "duplicate answers": {f"q{n}": {"direct_answer": "taxi", "multiple_choice": "cab"} for n in range(3)},
    "another's spelling": {f"q{n}": {"direct_answer": "Cab", "multiple_choice": "Cab"} for n in range(3)},
}


@pytest.mark.parametrize("predictions", PREDICTED.values(), ids=PREDICTED)
def test_a_file_scores_as_officially(make, tmp_path, predictions):
    examples = [
        make(0, direct_answers=("cab",) * 5 + ("taxi",) * 2),
        make(1, answer="bus", direct_answers=("taxi", "taxi", "taxi", "cab")),
        make(2, difficult_direct_answer=True),
    ]
    path = tmp_path / "p.json"
    path.write_text(json.dumps(predictions))
    records, found = [record_of(example) for example in examples], read_predictions(path, examples)
    choices = found.multiple_choice or [None] * 3
    assert percent(accuracy(CHOICE, examples, choices)) == pytest.approx(official_accuracy(records, predictions))
    direct = percent(direct_answer_official(examples, found.direct_answer or [None] * 3))
    assert direct == pytest.approx(official_direct_answer(records, predictions))
