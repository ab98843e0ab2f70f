from types import SimpleNamespace

import pytest
import torch

from model_adapters import PromptRow
from vlrlcd.errors import UserError
from vlrlcd.group import Candidate, Group
from vlrlcd.prefix_branches import pack
from vlrlcd.ranking.scorers import SCORERS, grades, mean_logps, ratings, verdicts, yes_and_no


def adapter_with(vocabulary):
    def tokenizer(text, add_special_tokens):
        assert not add_special_tokens
        return {"input_ids": [vocabulary[text]] if text in vocabulary else [0, 0]}

    return SimpleNamespace(tokenizer=tokenizer)


def test_every_single_token_variant_is_pooled():
    adapter = adapter_with({"Yes": 5, " yes": 2, " No": 7, "NO": 1})
    assert yes_and_no(adapter) == ((2, 5), (1, 7))


@pytest.mark.parametrize("vocabulary", [{}, {"Yes": 1}, {"no": 1}, {"Yes": 3, "No": 3}])
def test_a_vocabulary_without_the_words_is_refused(vocabulary):
    with pytest.raises(UserError, match="--ranking.scorer=likelihood"):
        yes_and_no(adapter_with(vocabulary))


def test_verdicts_pool_probabilities():
    probs = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    assert verdicts(probs.log(), ((0, 1), (2,))).exp().tolist() == pytest.approx([1.0, 8.0])


def test_a_rating_is_the_expected_grade_among_the_digits():
    adapter = adapter_with({str(grade): grade + 1 for grade in range(10)})
    digits = grades(adapter)
    probs = torch.zeros(2, 12)
    probs[0, 1 + 8], probs[0, 11] = 0.1, 0.9
    probs[1, 1], probs[1, 1 + 9] = 0.25, 0.75
    assert ratings((probs + 1e-30).log(), digits).tolist() == pytest.approx([8.0, 6.75])


def test_a_vocabulary_without_digits_is_refused():
    with pytest.raises(UserError, match="ranking.scorer=rating.*--ranking.scorer=likelihood"):
        grades(adapter_with({"1": 5}))


def test_mean_logps_of_ragged_branches():
    branches = pack([[(1,), (2, 3)], [(4, 5, 6)]])
    assert mean_logps(torch.tensor([-1.0, -2, -4, -3, -3, -9]), branches).tolist() == [-1.0, -3.0, -5.0]


IMAGE, END = 1000, 2
GROUP = Group(
    None,
    PromptRow((), {}, ((IMAGE, IMAGE),)),
    "a",
    (),
    None,
    [Candidate((), text, 1, False, None, 0.0) for text in ("bc", "bd", "b")],
)


def judge(prompt):
    """An adapter that spells: one id a letter, `#` an image."""
    adapter = SimpleNamespace(placeholder_ids=(IMAGE,), stop_ids=(END,))
    adapter.encode_text = lambda text, counts: spelt(text)
    templates = SimpleNamespace(render=lambda kind, example, **words: prompt.format(**words))
    return SCORERS["verdict"].layout(adapter, templates, GROUP)


def spelt(text):
    return tuple(IMAGE if c == "#" else ord(c) for c in text)


def test_verdict_shares_what_all_renderings_share():
    prompt = judge("##{anchor} or {candidate}?")
    assert prompt.row.ids == spelt("##a or ")
    assert prompt.row.image_ids == ((IMAGE, IMAGE),)
    assert prompt.branches == [(*spelt(rest), END) for rest in ("bc?", "bd?", "b?", "a?")]


def test_images_after_the_candidate_are_refused():
    with pytest.raises(UserError, match="before {{ candidate }}"):
        judge("{anchor} or {candidate}? ##")
