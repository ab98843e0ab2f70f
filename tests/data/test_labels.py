import pytest

from vlrlcd.data.card import DATASETS, load_card
from vlrlcd.data.labels import label_groups, labels_file
from vlrlcd.errors import UserError


def read(tmp_path, text):
    (tmp_path / "labels.yaml").write_text(text)
    return label_groups(tmp_path / "labels.yaml")


def test_a_group_has_defaults(tmp_path):
    plain, full = read(tmp_path, '- labels: [a, b]\n- {say: 2, prompt: "see {}", title: T, labels: [c]}\n')
    assert (plain.labels, plain.prompt, plain.say, plain.title) == (("a", "b"), "a photo of {}", 1, "")
    assert (full.labels, full.prompt, full.say, full.title) == (("c",), "see {}", 2, "T")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold a list of groups"),
        ("labels: [a]", "must hold a list of groups"),
        ("- a", "group 1: must hold `key: value` lines"),
        ("- {labels: [a]}\n- {label: [a]}", "group 2: unknown key 'label'; known: labels, prompt, say, title"),
        ("- {say: 2}", "group 1: key 'labels' is missing"),
        ("- {labels: []}", "key 'labels' must be a list of different words"),
        ("- {labels: [a, a]}", "key 'labels' must be a list of different words"),
        ("- {labels: [no, yes]}", "key 'labels' must be a list of different words, but is [False, True]"),
        ("- {labels: [a], prompt: a photo}", "key 'prompt' must be text with {} once"),
        ("- {labels: [a], prompt: '{} {}'}", "key 'prompt' must be text with {} once"),
        ("- {labels: [a], say: 0}", "key 'say' must be a whole number from 1 on"),
        ("- {labels: [a], say: true}", "key 'say' must be a whole number from 1 on"),
        ("- [", "is not valid YAML"),
    ],
)
def test_a_fault_is_named(tmp_path, text, said):
    with pytest.raises(UserError) as fault:
        read(tmp_path, text)
    assert said in str(fault.value) and str(tmp_path / "labels.yaml") in str(fault.value)
    assert "\n" not in str(fault.value)


def test_the_data_sets_of_the_repository():
    one, other = (labels_file(load_card(name), "") for name in ("aokvqa_mc", "aokvqa_rationale"))
    assert one.samefile(other) and one.parent == DATASETS / "aokvqa_mc"
    groups = label_groups(one)
    assert len(groups[0].labels) == 80 and all(group.say < len(group.labels) for group in groups)


def test_a_data_set_without_labels():
    with pytest.raises(UserError, match=r"jsonl/labels\.yaml does not exist.*eyes\.labels"):
        labels_file(load_card("jsonl"), "")


def test_the_configuration_s_own_file_goes_first(tmp_path):
    (tmp_path / "mine.yaml").write_text("- labels: [a]")
    assert labels_file(load_card("jsonl"), str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
