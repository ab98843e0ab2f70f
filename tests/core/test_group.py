import torch
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.data.example import Example
from vlrlcd.data.tasks import CHOICE
from vlrlcd.group import Group, copies, fold, padded
from vlrlcd.sampling import Draw

drawn = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=2), min_size=1, max_size=8)


def folded(answers):
    draws = [Draw(list(ids), [-float(i)] * len(ids), truncated=ids[-1] != 2) for i, ids in enumerate(answers)]
    return fold(draws, decode=str, correct=lambda text: "1" in text)


@given(drawn)
def test_fold_keeps_every_draw(answers):
    candidates = folded(answers)
    assert sum(c.copies for c in candidates) == len(answers)
    assert len({c.tokens for c in candidates}) == len(candidates)
    for c in candidates:
        assert answers.count(list(c.tokens)) == c.copies
        first = answers.index(list(c.tokens))
        assert c.sampled_logp == -first * len(c.tokens)
        assert c.truncated == (c.tokens[-1] != 2)
        assert (c.text, c.correct) == (str(c.tokens), 1 in c.tokens)
    order = [answers.index(list(c.tokens)) for c in candidates]
    assert order == sorted(order)


def test_padding_of_groups_with_fewer_candidates():
    example = Example("id", "test", (), "question?")
    groups = [
        Group(example, None, "", (), CHOICE, folded(answers))
        for answers in ([[0], [1], [0]], [[2]], [[0], [1], [2], [2]])
    ]
    assert copies(groups, torch.device("cpu")).tolist() == [[2, 1, 0], [1, 0, 0], [1, 1, 2]]
    assert padded(torch.arange(6.0), groups, -1.0).tolist() == [[0, 1, -1], [2, -1, -1], [3, 4, 5]]
