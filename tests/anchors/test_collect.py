"""Ask once, keep what was answered, refuse to train without."""

import pytest

from tests.anchors.teacher import Scripted, asked, collected, example, examples
from vlrlcd.anchors.collect import load_anchors
from vlrlcd.anchors.teachers import DatasetColumn, TeacherReply
from vlrlcd.errors import UserError

COMMAND = "python scripts/collect_anchors.py --config x.yaml"


def loaded(given, teacher, store):
    return {name: anchor.text for name, anchor in load_anchors(asked(given, teacher), teacher, store, COMMAND).items()}


def test_only_what_is_missing_is_asked(store):
    teacher = Scripted()
    assert collected(examples(3), teacher, store).answered == 3
    assert collected(examples(5), teacher, store).answered == 2
    assert teacher.asked == {f"question {number}": 1 for number in range(5)}


def test_rows_that_ask_the_same_share_one_call(store):
    twins = [example("a"), example("b")]
    assert collected(twins, Scripted(), store).answered == 1
    assert loaded(twins, Scripted(), store) == {"a": "about What is it?", "b": "about What is it?"}


def test_the_reply_is_stored_whole(store, prices):
    reply = TeacherReply("No.", "content_filter", {"prompt_tokens": 10, "completion_tokens": 2}, ("refusal",), "m-2026")
    collected(examples(1), Scripted(reply=lambda _: reply), store, prices=str(prices))
    (anchor,) = store
    assert (anchor.text, anchor.finish_reason, anchor.usage) == (reply.text, reply.finish_reason, reply.usage)
    assert (anchor.flags, anchor.answered_by) == (reply.flags, "m-2026")
    assert anchor.cost_usd == pytest.approx(10 * 2e-4 + 2 * 1e-3)
    assert 0 < anchor.latency_s < 1 and "question 0" in anchor.request


def test_training_without_an_anchor_names_row_number_and_command(store):
    collected(examples(2), Scripted(), store)
    with pytest.raises(UserError) as caught:
        loaded(examples(5), Scripted(), store)
    for part in ("train.json, id2", "3 of 5", "scripted", str(store.path), f"`{COMMAND}`"):
        assert part in str(caught.value)


@pytest.mark.parametrize("style", ["explained", "terse"])
def test_the_dataset_column(store, style):
    teacher = DatasetColumn(style)
    collected([example("a")], teacher, store)
    text = loaded([example("a")], teacher, store)["a"]
    assert text.endswith("Answer: cab")
    assert ("He waits at the kerb." in text) == (style == "explained")


def test_own_files_are_no_calls(store):
    done = collected(examples(3), DatasetColumn("terse"), store)
    assert done.answered == 3 and not done.ledger and not store.ledger()


def test_the_styles_are_kept_apart(store):
    for style in ("explained", "terse"):
        assert collected([example("a")], DatasetColumn(style), store).answered == 1


def test_an_edited_rationale_is_asked_again(store):
    teacher = DatasetColumn("explained")
    collected([example("a")], teacher, store)
    edited = example("a", rationales=("The sign says taxi.",))
    assert collected([edited], teacher, store).answered == 1
    assert "The sign says taxi." in loaded([edited], teacher, store)["a"]


def test_an_unknown_style_is_refused():
    with pytest.raises(UserError, match="explained, terse"):
        DatasetColumn("verbose")


def test_an_unreadable_image_is_named_with_its_row(store, tmp_path):
    lost = example("a", images=(tmp_path / "gone.jpg",))
    with pytest.raises(UserError, match=r"train\.json, a: .*gone\.jpg"):
        collected([lost], Scripted(), store)
