"""What a control changes, and what it leaves alone."""

import torch

from tests.run.jobs import config_of, figures, lines, same_bits, weights
from vlrlcd.data.example import Example
from vlrlcd.data.tasks import CHOICE
from vlrlcd.group import Candidate, Group
from vlrlcd.ranking.rank import _permuted
from vlrlcd.trainer import train

ONCE = {"evaluation.split": ""}


def group(*copies, check=CHOICE):
    example = Example("q", "row 1", (), "Which?", choices=("cab", "bus"), answer="cab")
    candidates = [Candidate((i,), "", n, False, None, 0.0) for i, n in enumerate(copies)]
    return Group(example, None, "", (), check, candidates)


def test_shuffled_anchors_change_stage_two_alone(here, tmp_path, handlers, distributed):
    train(config_of(here, ONCE, {"run.name": "true"}), "true")
    train(config_of(here, ONCE, {"run.name": "shuffled", "ranking.control": "anchors_shuffled"}), "shuffled")
    assert same_bits(weights(tmp_path / "true", "stage1"), weights(tmp_path / "shuffled", "stage1"))
    assert not same_bits(weights(tmp_path / "true"), weights(tmp_path / "shuffled"))


def test_a_permuted_d_favours_no_candidate_on_average():
    groups, log_d_BK = [group(7, 1)], torch.tensor([[0.1, 0.9]], dtype=torch.float64).log()
    drawn = torch.stack([_permuted(log_d_BK, groups, seed=0, step=step).exp()[0] for step in range(4000)])
    assert torch.allclose(drawn.sum(-1), torch.ones(4000, dtype=torch.float64))
    assert torch.allclose(drawn.mean(0), torch.tensor([7 / 8, 1 / 8], dtype=torch.float64), atol=0.02)


def test_an_answer_is_judged_only_where_the_task_names_a_choice():
    assert group().judge("Because. Answer: cab") is True
    assert group().judge("Because. Answer: bus") is False
    assert group(check=None).judge("A cab is yellow.") is None


def test_a_run_that_was_given_no_name_goes_on_under_the_one_it_took(here, tmp_path, handlers, distributed):
    taken = train(config_of(here, ONCE), "job")
    before = figures(taken)
    again = train(config_of(here, ONCE, {"run.name": taken.name, "run.resume": "true"}), "job")
    assert again == taken
    assert figures(taken) == before
    assert lines(taken / "samples.jsonl")
