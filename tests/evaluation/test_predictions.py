import json

import pytest

from vlrlcd.evaluation.predictions import write_predictions


def written(path, *columns):
    write_predictions(path, *columns)
    return json.loads(path.read_text(encoding="utf-8"))


def test_round_trip(tmp_path):
    assert written(tmp_path / "predictions_val.json", ["a", "b"], ["café ", None], [" red\n", ""]) == {
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
