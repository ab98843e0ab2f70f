import pytest

from vlrlcd.data.card import load_card
from vlrlcd.errors import UserError


def test_a_card_is_found_by_name_and_by_folder(copied_card):
    by_name, by_folder = load_card("aokvqa_mc"), load_card(copied_card())
    assert (by_name.name, by_folder.name) == ("aokvqa_mc", "mine")
    assert by_name.task == by_folder.task == "multiple_choice"
    assert by_name.spellings("val") == ("val", "validation")
    assert by_name.spellings("train") == ("train",)


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(
        UserError, match=r"no dataset 'aokvqa_mx', did you mean 'aokvqa_mc'.*aokvqa_rationale, compmath_count"
    ):
        load_card("aokvqa_mx")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence:", "license:", "card.yaml: unknown key 'license', did you mean 'licence'.*known: title, licence"),
        ("title: A-OKVQA, multiple choice\n", "", "card.yaml: key 'title' is missing"),
        (
            "task: multiple_choice",
            "task: multiple",
            "unknown task 'multiple'.*known: multiple_choice, rationale, math, story",
        ),
        ("task: multiple_choice", "task: [a]", "key 'task' must be a string, but is"),
        ("required: [choices", "required: [choises", "unknown field in `required` 'choises', did you mean 'choices'"),
        (
            "hides_answers: [test]",
            "hides_answers: test",
            "key 'hides_answers' must be a list of strings, but is 'test'",
        ),
        ("  id: question_id", "  idd: question_id", "unknown field in `columns` 'idd'"),
        ("  val: validation", "  val: 3", "key 'splits' must be a mapping of strings"),
        ("{image_id:012}", "{imageid:012}", "unknown placeholder in `images` 'imageid', did you mean 'image_id'"),
        ("{image_id:012}", "{image_id:012", "key 'images' is not a pattern"),
        ("v1p0_{split}.json", "v1p0_{split}.csv", "must hold {split} once and end in .json, .jsonl, .wp_source or"),
        (
            "v1p0_{split}.json",
            "v1p0.json",
            "key 'records' must hold {split} once and end in .json, .jsonl, .wp_source or a folder",
        ),
        ("required: [", "release: maths\nrequired: [", "unknown release 'maths', did you mean 'math'.*writing_prompts"),
        ("required: [", "only: type\nrequired: [", "key 'only' must be a mapping of strings, but is 'type'"),
        ("title: ", "title: [", "card.yaml is not valid YAML"),
    ],
)
def test_a_faulty_card_is_named_with_its_key(copied_card, old, new, message):
    folder = copied_card()
    text = (folder / "card.yaml").read_text()
    assert old in text
    (folder / "card.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        load_card(folder)


def test_a_card_must_be_a_mapping(copied_card):
    folder = copied_card()
    (folder / "card.yaml").write_text("just text")
    with pytest.raises(UserError, match=r"must hold `key: value` lines"):
        load_card(folder)
