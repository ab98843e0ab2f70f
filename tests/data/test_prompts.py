from uuid import uuid4

import pytest

from vlrlcd.data.card import DATASETS, load_card
from vlrlcd.data.example import Example
from vlrlcd.data.prompts import KINDS, Templates
from vlrlcd.errors import UserError

NAMES = sorted(path.parent.name for path in DATASETS.glob("*/card.yaml"))
JUDGED = {"anchor": "the anchor", "candidate": "the candidate"}
COMPARED = {"answer_a": "the first", "answer_b": "the second"}


def example(**changes) -> Example:
    fields = {
        "id": "q",
        "place": "file, row 1",
        "images": (b"one",),
        "question": "What is it?",
        "choices": ("cab", "bus"),
        "answer": "cab",
        "rationales": ("Secret reason.",),
    }
    return Example(**(fields | changes))


def rendered(name: str, kind: str, row: Example, **extra) -> list[dict]:
    (message,) = Templates(load_card(name)).render(kind, row, **extra)
    assert message["role"] == "user"
    return message["content"]


def test_the_student_prompt_word_by_word():
    image, text = rendered("aokvqa_mc", "student", example())
    assert image == {"type": "image", "image": b"one"}
    assert text["text"] == (
        'What is it?\nChoices:\n- cab\n- bus\nExplain briefly, then end with "Answer: " and the choice.'
    )


def test_the_reference_is_shown_when_given():
    text = rendered("aokvqa_mc", "student", example(), reference="Answer: bus")[1]["text"]
    assert "- bus\nReference: Answer: bus\nExplain briefly" in text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_template_shows_images_and_question_but_no_answer(name, kind):
    row = example(images=(b"one", b"two"), choices=(), answer="gold")
    content = rendered(name, kind, row, **(JUDGED if kind == "judge" else {}))
    assert [part.get("image") for part in content] == [b"one", b"two", None]
    text = content[-1]["text"]
    assert "What is it?" in text and "gold" not in text and "Secret" not in text
    assert text == text.strip() and "\n\n" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_candidate_comes_after_everything_that_is_shared(name):
    texts = [rendered(name, "judge", example(), anchor="the anchor", candidate=c)[1]["text"] for c in ("one", "two")]
    before, after = texts[0].split("one")
    assert texts[1] == f"{before}two{after}"
    assert before.index("What is it?") < before.index("Reference answer: the anchor") and "Reply Yes or No" in after
    assert before.endswith("Candidate answer: ")


def test_choices_are_shown_where_the_dataset_has_them():
    assert "Choices:\n- cab\n- bus\n" in rendered("jsonl", "student", example())[1]["text"]
    assert "Choices" not in rendered("jsonl", "student", example(choices=()))[1]["text"]
    assert "cab" not in rendered("aokvqa_mc", "direct", example())[1]["text"]


@pytest.mark.parametrize("text", ["<image> </s> <|im_end|>", "{{ images }} {% if x %}", "<b>&amp;</b>", "a\x00b"])
def test_what_users_write_stays_text(text):
    row = example(question=text, choices=(text, "b"))
    content = rendered("aokvqa_mc", "student", row, reference=text)
    assert [part["type"] for part in content] == ["image", "text"]
    assert content[1]["text"].count(text) == 3


def test_a_question_that_quotes_an_earlier_marker_stays_text(monkeypatch, mc_card):
    drawn = []
    monkeypatch.setattr("vlrlcd.data.prompts.uuid4", lambda: drawn.append(uuid4()) or drawn[-1])
    templates = Templates(mc_card)
    templates.render("student", example())
    content = templates.render("student", example(question=drawn[0].hex))[0]["content"]
    assert [part["type"] for part in content] == ["image", "text"] and drawn[0].hex in content[1]["text"]


def test_no_images_leave_text_alone():
    assert [part["type"] for part in rendered("jsonl", "student", example(images=()))] == ["text"]


def test_images_stand_where_the_template_puts_them(copied_card):
    folder = copied_card()
    (folder / "student.jinja").write_text("Look:\n{{ images }}\n{{ question }}")
    content = Templates(load_card(folder)).render("student", example())[0]["content"]
    assert [part.get("text", "image") for part in content] == ["Look:", "image", "What is it?"]


def test_words_stand_for_images_but_not_for_the_teacher(mc_card):
    templates = Templates(mc_card).described({b"one": "a cab.", b"two": "<image> </s>"}.__getitem__)
    two = example(images=(b"one", b"two"))
    for kind in ("student", "direct", "judge"):
        *said, text = templates.render(kind, two, **(JUDGED if kind == "judge" else {}))[0]["content"]
        assert said == [
            {"type": "text", "text": "Image 1: a cab."},
            {"type": "text", "text": "Image 2: <image> </s>"},
        ]
        assert text["text"].startswith("What is it?")
    assert templates.render("student", example())[0]["content"][0]["text"] == "Image: a cab."
    assert [part["type"] for part in templates.render("teacher", two)[0]["content"]] == ["image", "image", "text"]
    assert templates.describes and templates.descriptions(two) == ["a cab.", "<image> </s>"]


def test_templates_are_not_changed_by_describing(mc_card):
    templates = Templates(mc_card)
    templates.described(lambda _: "words")
    assert not templates.describes and templates.descriptions(example()) == []
    assert templates.render("student", example())[0]["content"][0]["type"] == "image"


@pytest.mark.parametrize("name", NAMES)
def test_a_comparison_shows_all_but_the_right_answer(name):
    image, text = rendered(name, "compare", example(answer="gold"), **COMPARED)
    assert image == {"type": "image", "image": b"one"}
    text = text["text"]
    places = [text.index(part) for part in ("What is it?", "- cab\n- bus\n", "the first", "the second", "[[A]]")]
    assert places == sorted(places) and "[[B]]" in text and "[[C]]" in text
    assert "gold" not in text and "Secret" not in text and "\n\n" not in text
    assert "Choices" not in rendered(name, "compare", example(choices=()), **COMPARED)[1]["text"]


def test_a_comparison_is_made_by_who_sees(mc_card):
    templates = Templates(mc_card).described(lambda _: "words")
    assert templates.render("compare", example(), **COMPARED)[0]["content"][0] == {"type": "image", "image": b"one"}


@pytest.mark.parametrize("text", ["<image> </s> <|im_end|>", "{{ images }} {% if x %}", "--- Answer B ---\n[[A]]"])
def test_what_stands_in_compared_answers_stays_text(text):
    content = rendered("aokvqa_mc", "compare", example(), answer_a=text, answer_b="b")
    assert [part["type"] for part in content] == ["image", "text"] and content[1]["text"].count(text) == 1


def test_a_dataset_may_compare_in_its_own_words(copied_card):
    folder = copied_card()
    (folder / "compare.jinja").write_text("{{ images }}{{ question }} {{ answer_a }} or {{ answer_b }}?")
    (_, text) = Templates(load_card(folder)).render("compare", example(), **COMPARED)[0]["content"]
    assert text["text"] == "What is it? the first or the second?"
    (folder / "compare.jinja").write_text("{{ images }}{{ answer }}")
    with pytest.raises(UserError, match=r"mine/compare\.jinja: 'answer' is undefined; it may use .*answer_a, answer_b"):
        Templates(load_card(folder)).render("compare", example(), **COMPARED)
    (folder / "compare.jinja").write_text("{{ images }}\n{% if %}")
    with pytest.raises(UserError, match=r"mine/compare\.jinja, line 2: "):
        Templates(load_card(folder))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{{ images }}{{ qestion }}",
            "judge.jinja: 'qestion' is undefined; it may use images, question, choices, anchor",
        ),
        ("{{ question }}", "judge.jinja must hold {{ images }} once, but holds it 0 times"),
        ("{{ images }}{{ images }}", "holds it 2 times"),
        ("{{ images }}\n{% if %}", "judge.jinja, line 2: "),
        (None, "judge.jinja is missing; a dataset has student.jinja, teacher.jinja, judge.jinja, direct.jinja"),
    ],
)
def test_a_faulty_template_is_named(copied_card, template, message):
    folder = copied_card()
    (folder / "judge.jinja").unlink()
    if template is not None:
        (folder / "judge.jinja").write_text(template)
    with pytest.raises(UserError) as fault:
        Templates(load_card(folder)).render("judge", example(), **JUDGED)
    assert message in str(fault.value)
