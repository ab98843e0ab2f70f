import json

import pytest

from vlrlcd.errors import UserError
from vlrlcd.evaluation.predictions import read_predictions, write_predictions


def written(path, *columns):
    write_predictions(path, *columns)
    return json.loads(path.read_text(encoding="utf-8"))


def test_round_trip(tmp_path):
    assert written(tmp_path / "predictions_val.json", ["a", "b"], ["café ", None], ["red", ""]) == {
        "a": {"multiple_choice": "café ", "direct_answer": "red"},
        "b": {"multiple_choice": "", "direct_answer": ""},
    }


def test_either_key_may_be_left_out(tmp_path):
    assert written(tmp_path / "p.json", ["a"], ["cab"], None) == {"a": {"multiple_choice": "cab"}}
    assert written(tmp_path / "p.json", ["a"], None, ["cab"]) == {"a": {"direct_answer": "cab"}}
    assert written(tmp_path / "p.json", [], [], []) == {}


def test_every_question_needs_its_prediction(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_predictions(tmp_path / "p.json", ["a", "b"], ["cab"], None)
    assert not (tmp_path / "p.json").exists()


def test_what_a_file_leaves_out_or_has_too_much_is_told(make, tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"q0": {"multiple_choice": "cab"}, "stranger": {"multiple_choice": "cab"}}')
    found = read_predictions(path, [make(0), make(1), make(2)])
    assert found.multiple_choice == ["cab", None, None] and found.direct_answer is None
    missing, unknown = found.notes
    assert "2 of 3 questions have no multiple_choice, the first is q1; they count as wrong" in missing
    assert "1 predictions are for no question of the split, the first is stranger" in unknown


FAULTY = {
    "no JSON": ("{", "no predictions can be read"),
    "a list": ("[]", "the file is not of the official form"),
    "a bare text": ('{"q0": "cab"}', "q0 is not of the official form"),
    "a number": ('{"q0": {"multiple_choice": 3}}', "q0 is not of the official form"),
    "twice": ('{"q0": {"multiple_choice": "cab"}, "q0": {"multiple_choice": "bus"}}', "q0 stands there twice; keep"),
    "another split": ('{"x": {"multiple_choice": "cab"}}', "predicts none of these 1 questions, such as q0: give the"),
}


@pytest.mark.parametrize(("content", "said"), FAULTY.values(), ids=FAULTY)
def test_faulty_files_are_refused(make, tmp_path, content, said):
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(UserError, match=said) as fault:
        read_predictions(tmp_path / "p.json", [make(0)])
    assert str(tmp_path / "p.json") in str(fault.value)


def test_a_file_that_is_not_there(make, tmp_path):
    with pytest.raises(UserError, match="no predictions can be read"):
        read_predictions(tmp_path / "none.json", [make(0)])
