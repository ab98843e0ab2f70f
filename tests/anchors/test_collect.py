"""Ask once, keep what was answered, refuse to train without."""

import pytest

from vlrlcd.anchors.collect import Ledger, collect, load_anchors
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import DatasetColumn, TeacherReply
from vlrlcd.data.example import Example
from vlrlcd.errors import UserError


class Templates:
    def render(self, kind, example):
        images = [{"type": "image", "image": image} for image in example.images]
        return [{"role": "user", "content": [*images, {"type": "text", "text": f"{kind}: {example.question}"}]}]


class Scripted:
    """A teacher that counts what it is asked and can break down."""

    name = "scripted"

    def __init__(self, breaks_after=None):
        self.asked = []
        self.breaks_after = breaks_after

    def sampling(self, example):
        return {"temperature": 0.0}

    def answer(self, example, messages):
        if len(self.asked) == self.breaks_after:
            raise ConnectionError
        self.asked.append(messages[0]["content"][-1]["text"])
        return TeacherReply(f"about {example.question}", usage={"prompt_tokens": 3}, flags=("odd",), cost_usd=0.5)


def examples(count):
    return [example(f"id{number}", f"question {number}") for number in range(count)]


def example(id, question="What is it?", images=(b"pixels",), **more):
    known = {"answer": "cab", "choices": ("cab", "bus"), "rationales": ("He waits at the kerb.", "Bags.")}
    return Example(id=id, place=f"train.json, {id}", images=images, question=question, **{**known, **more})


@pytest.fixture
def store(tmp_path):
    with AnchorStore(tmp_path / "anchors.sqlite") as store:
        yield store


def test_only_what_is_missing_is_asked(store):
    teacher = Scripted()
    assert collect(examples(3), Templates(), teacher, store) == Ledger(calls=3, cached=0)
    assert collect(examples(5), Templates(), teacher, store) == Ledger(calls=2, cached=3)
    assert teacher.asked == [f"teacher: question {number}" for number in range(5)]


def test_rows_that_ask_the_same_share_one_call(store):
    twins = [example("a"), example("b")]
    assert collect(twins, Templates(), Scripted(), store) == Ledger(calls=1, cached=1)
    assert load_anchors(twins, Templates(), Scripted(), store) == {"a": "about What is it?", "b": "about What is it?"}


def test_answers_before_a_breakdown_are_kept(store):
    with pytest.raises(ConnectionError):
        collect(examples(5), Templates(), Scripted(breaks_after=3), store)
    assert collect(examples(5), Templates(), Scripted(), store) == Ledger(calls=2, cached=3)


def test_the_reply_is_stored_whole(store):
    collect(examples(1), Templates(), Scripted(), store)
    (key,) = [row[0] for row in store._connection.execute("SELECT key FROM anchors")]
    anchor = store.get(key)
    assert (anchor.usage, anchor.flags, anchor.cost_usd) == ({"prompt_tokens": 3}, ("odd",), 0.5)
    assert anchor.latency_s >= 0 and "question 0" in anchor.request


def test_training_without_an_anchor_names_row_number_and_command(store):
    collect(examples(2), Templates(), Scripted(), store)
    with pytest.raises(UserError) as caught:
        load_anchors(examples(5), Templates(), Scripted(), store)
    command = "python scripts/collect_anchors.py --config"
    for part in ("train.json, id2", "3 of 5", "scripted", str(store.path), command):
        assert part in str(caught.value)


@pytest.mark.parametrize("style", ["explained", "terse"])
def test_the_dataset_column(store, style):
    teacher = DatasetColumn(style)
    collect([example("a")], Templates(), teacher, store)
    text = load_anchors([example("a")], Templates(), teacher, store)["a"]
    assert text.endswith("Answer: cab")
    assert ("He waits at the kerb." in text) == (style == "explained")


def test_the_styles_are_kept_apart(store):
    for style in ("explained", "terse"):
        assert collect([example("a")], Templates(), DatasetColumn(style), store).calls == 1


def test_an_edited_rationale_is_asked_again(store):
    teacher = DatasetColumn("explained")
    collect([example("a")], Templates(), teacher, store)
    edited = example("a", rationales=("The sign says taxi.",))
    assert collect([edited], Templates(), teacher, store) == Ledger(calls=1, cached=0)
    assert "The sign says taxi." in load_anchors([edited], Templates(), teacher, store)["a"]


def test_an_unknown_style_is_refused():
    with pytest.raises(UserError, match="explained, terse"):
        DatasetColumn("verbose")


def test_an_unreadable_image_is_named_with_its_row(store, tmp_path):
    lost = example("a", images=(tmp_path / "gone.jpg",))
    with pytest.raises(UserError, match=r"train\.json, a: .*gone\.jpg"):
        collect([lost], Templates(), Scripted(), store)
