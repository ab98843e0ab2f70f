"""A fault in the data ends in one sentence that names row and cure, before a weight is read."""

import json
import re
import shutil

import pytest

from tests.run.jobs import finish, start
from tests.run.refusals import change_row, edit, image_of, inputs_of, records, sentence

DATA = {
    "missing image": (lambda f: image_of(f, 3).unlink(), r"train\.json, row 3.*000020000002\.jpg does not exist; add"),
    "unreadable image": (
        lambda f: image_of(f, 4).write_bytes(b"no image"),
        r"train\.json, row 4.*000020000003\.jpg is not a readable image.*replace it",
    ),
    "truncated image": (
        lambda f: image_of(f, 4).write_bytes(image_of(f, 4).read_bytes()[:-400]),
        r"train\.json, row 4.*000020000003\.jpg .*truncated.*replace it",
    ),
    "held-out image": (
        lambda f: next((f / "scenes/val2017").iterdir()).unlink(),
        r"val\.json, row \d.* does not exist",
    ),
    "no list": (lambda f: edit(records(f), lambda rows: {"rows": rows}), r"train\.json must hold a JSON list"),
    "no JSON": (lambda f: records(f).write_text("[{"), r"train\.json is not valid JSON.*line 1"),
    "missing field": (
        lambda f: change_row(f, 5, question=...),
        r"train\.json, row 5: field 'question' is missing; add a string",
    ),
    "no choices": (lambda f: change_row(f, 2, "val", choices=...), r"val\.json, row 2: field 'choices' is missing"),
    "wrong type": (
        lambda f: change_row(f, 6, choices="red, blue"),
        r"train\.json, row 6, field 'choices': must be a list of strings, but is 'red, blue'",
    ),
    "no rationale to make an anchor of": (
        lambda f: change_row(f, 7, rationales=[]),
        r"train\.json, row 7: no rationale to make an anchor of; add one",
    ),
    "prompt longer than the context": (
        lambda f: change_row(f, 8, question="what colour is it? " * 100),
        r"train\.json, row 8: the prompt has \d+ tokens, 9 of them image.*512; shorten the question",
    ),
    "anchor longer than the context": (
        lambda f: change_row(f, 8, rationales=["it is so, " * 60]),
        r"train\.json, row 8: the judge's prompt with the anchor has \d+ tokens, 9 of them image.*512; shorten the",
    ),
    "no data": (lambda f: shutil.rmtree(f / "scenes"), r"scenes is not a folder; set data\.root"),
}


@pytest.mark.parametrize("name", DATA)
def test_data(refusal, bad, name):
    spoil, said = DATA[name]
    spoil(bad)
    assert re.search(said, refusal()), refusal()
    assert not (bad / "runs").exists()


def test_an_anchor_longer_than_the_context_where_the_student_ranks_nothing(refusal, bad):
    change_row(bad, 8, rationales=["it is so, " * 100])
    said = refusal({"stage2.method": "sft"})
    assert re.search(r"train\.json, row 8: the prompt has \d+ tokens, 9 .*with its anchor's \d+ it passes .*512;", said)


def test_a_training_split_without_answers(refusal, bad):
    rows = json.loads(records(bad).read_text())
    hidden = ("correct_choice_idx", "direct_answers", "rationales")
    records(bad, "test").write_text(json.dumps([{k: v for k, v in row.items() if k not in hidden} for row in rows]))
    (bad / "scenes/test2017").symlink_to(bad / "scenes/train2017")
    for style in ("terse", "explained"):
        said = refusal({"data.train_split": "test", "anchors.style": style})
        assert re.search(r"test\.json, row 1.*anchor", said), said


@pytest.mark.parametrize("processes", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_as_a_process(bad, processes):
    image_of(bad, 3).unlink()
    code, out, err = finish(start(inputs_of(bad), processes=processes))
    if processes:
        assert code != 0
        assert len(re.findall(r"(?m)^error: .*row 3", err)) == err.count("error: ") == 1
        assert "Traceback" not in err + out
    else:
        assert "row 3" in sentence(code, err)
