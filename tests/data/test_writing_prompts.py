"""WritingPrompts in both of its forms; the sample is the six files."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.data.card import DATASETS, load_card
from vlrlcd.data.readers import read_split
from vlrlcd.data.writing_prompts import plain, tagged
from vlrlcd.errors import UserError

SAMPLE = DATASETS / "writing_prompts_cw/sample"
STORM = "Tell of a storm at sea, and never use the letter Z."


@pytest.fixture
def card():
    return load_card("writing_prompts_cw")


def write(folder, **splits):
    """The six-file form of (prompt, story) pairs."""
    for split, rows in splits.items():
        for place, ending in enumerate(("wp_source", "wp_target")):
            text = "".join(row[place] + "\n" for row in rows)
            (folder / f"{split}.{ending}").write_text(text, encoding="utf-8", newline="")
    return folder


def write_parquet(folder, **splits):
    for split, rows in splits.items():
        table = pa.Table.from_pylist([{"prompt": prompt, "story": story} for prompt, story in rows])
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


def test_prompts_of_the_tag_with_all_their_stories(card):
    first, *rest = read_split(card, SAMPLE, "train")
    assert (first.id, first.place, first.question) == ("train-1", "train.wp_source, row 1", STORM)
    assert first.rationales == (
        'The mast groaned.\n"Hold on!" she called, and nobody let go.',
        "It wasn't the wind that we feared.\n\nIt was the calm behind it.",
    )
    assert (first.images, first.answer, first.choices) == ((), None, ())
    assert [example.place for example in rest] == [f"train.wp_source, row {n}" for n in (4, 6, 7, 8)]
    assert rest[2].question == "Only dialogue: two bakers and one oven."


def test_the_other_tag_is_the_other_data_set():
    eu = load_card("writing_prompts_eu")
    questions = {example.question for example in read_split(eu, SAMPLE, "train")}
    assert questions == {"The lighthouse of last week's tale is dark again."}


def test_a_prompt_in_several_splits_is_read_in_the_first_alone(card, capsys):
    found = {split: {e.question for e in read_split(card, SAMPLE, split)} for split in ("train", "val", "test")}
    assert not found["train"] & found["val"] and not (found["train"] | found["val"]) & found["test"]
    assert STORM in found["train"] and found["test"] == {"Every sentence must be a question."}
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "writing_prompts_cw, train: 1 rows have the prompt of an earlier one, and their stories stand beside its own",
        "writing_prompts_cw, val: 1 questions stand in an earlier split, too, and are left out: valid.wp_source, row 1",
        "writing_prompts_cw, test: 1 questions stand in an earlier split, too, and are left out: test.wp_source, row 1",
    ]


def test_the_files_own_spelling_of_a_split_leaks_nothing_either(card):
    assert read_split(card, SAMPLE, "valid") == read_split(card, SAMPLE, "val")


def test_the_hub_s_form_reads_as_the_six_files(card, tmp_path):
    rows = {}
    for split in ("train", "valid", "test"):
        halves = [(SAMPLE / f"{split}.{ending}").read_text().splitlines() for ending in ("wp_source", "wp_target")]
        rows["validation" if split == "valid" else split] = list(zip(*halves, strict=True))
    write_parquet(tmp_path, **rows)
    for split in ("train", "val", "test"):
        ours, theirs = (read_split(card, folder, split) for folder in (SAMPLE, tmp_path))
        assert [(e.id, e.question, e.rationales) for e in ours] == [(e.id, e.question, e.rationales) for e in theirs]


def test_rows_without_words_are_left_out_and_told(card, tmp_path, capsys):
    rows = [("[ CW ]", "A story ."), ("[ CW ] A prompt", "<newline>"), ("[ CW ] Another", "A story .")]
    (example,) = read_split(card, write(tmp_path, train=rows), "train")
    assert example.question == "Another"
    assert "2 rows without words for a prompt or without a story are left out: train.wp_source, row 1" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("mark", ["\r", "\u2028", "\x0b"])
def test_lines_are_cut_at_newlines_alone(card, tmp_path, mark):
    rows = [(f"[ CW ] One{mark}prompt", f"One{mark}story ."), ("[ CW ] Two", "Second .")]
    assert [e.rationales[-1] for e in read_split(card, write(tmp_path, train=rows), "train")][-1] == "Second."


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "train.wp_target").unlink(), r"train\.wp_target is missing, and would hold the stories for"),
        (lambda f: (f / "train.wp_target").write_text("one\n"), r"train\.wp_target ends before row 2, and its twin"),
        (lambda f: (f / "train.wp_source").write_text("one\n"), r"train\.wp_source ends before row 2, and its twin"),
        (lambda f: (f / "train.wp_target").write_bytes(b"\xe9\n"), r"train\.wp_target is not UTF-8 text"),
        (lambda f: write(f, train=[("[ WP ] Other", "Tag .")]), r"split 'train' in .* is empty"),
        (lambda f: [path.unlink() for path in f.iterdir()], r"holds neither \{split\}\.wp_source nor parquet files"),
    ],
    ids=["no stories", "too few stories", "too few prompts", "no UTF-8", "no prompt of the tag", "nothing"],
)
def test_faults_are_named(card, tmp_path, spoil, message):
    spoil(write(tmp_path, train=[("[ CW ] One", "First ."), ("[ CW ] Two", "Second .")]))
    with pytest.raises(UserError, match=message):
        read_split(card, tmp_path, "train")


def test_a_held_out_split_without_train_beside_it_is_refused(card, tmp_path):
    write(tmp_path, test=[("[ CW ] One", "First .")])
    with pytest.raises(UserError, match=r"has no split 'train'; it has test"):
        read_split(card, tmp_path, "test")


def test_a_column_that_is_missing_is_named(card, tmp_path):
    pq.write_table(pa.Table.from_pylist([{"prompt": "[ CW ] One", "text": "Story"}]), tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"train\.parquet, row 1: field 'story' is missing or no string; add a string"):
        read_split(card, tmp_path, "train")


@pytest.mark.parametrize(
    ("prompt", "tag", "question"),
    [
        ("[ CW ] Write .", "CW", " Write ."),
        ("[CW] Write .", "CW", " Write ."),
        ("  [ EU] Write .\n", "EU", " Write .\n"),
        ("Write [ CW ] .", "", "Write [ CW ] ."),
        ("[ CW Write .", "", "[ CW Write ."),
        ("[ cw ] Write .", "cw", " Write ."),
    ],
)
def test_the_tag_is_what_a_prompt_opens_with(prompt, tag, question):
    assert tagged(prompt) == (tag, question)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("`` Do n't , '' he said .", '"Don\'t," he said.'),
        ("`` One . '' <newline> <newline> `` Two . ''", '"One."\n\n"Two."'),
        ("<newline> He 's gon na leave ( or not ) ! <newline>", "He's gonna leave (or not)!"),
        ("One.<newline>Two", "One.\nTwo"),
        ("5 % of $ 3 ; a : b", "5% of $3; a: b"),
    ],
)
def test_text_as_a_person_writes_it(tokens, text):
    assert plain(tokens) == text


@given(st.lists(st.text(alphabet="abc ", min_size=1), min_size=1, max_size=4))
def test_paragraphs_come_back(lines):
    wanted = "\n".join(" ".join(line.split()) for line in lines).strip()
    assert plain(" <newline> ".join(lines)) == wanted


def test_both_samples_hold_what_the_release_has():
    for name in ("writing_prompts_cw", "writing_prompts_eu"):
        text = "".join(path.read_text() for path in (DATASETS / name / "sample").iterdir())
        assert all(mark in text for mark in ("<newline>", "[ CW ]", "[ EU ]", "[ WP ]", "``"))
