"""An evaluation by itself: of a checkpoint, or of a file of predictions."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from vlrlcd.config import Config
from vlrlcd.data.card import load_card
from vlrlcd.data.splits import held_out_examples
from vlrlcd.data.tasks import CHOICE
from vlrlcd.errors import UserError
from vlrlcd.evaluation.evaluate import Destination, Questions, evaluate
from vlrlcd.evaluation.intervals import Metric
from vlrlcd.evaluation.predictions import read_predictions
from vlrlcd.evaluation.scores import checked_scores, direct_scores, summarised
from vlrlcd.evaluation.table import STAGE, add_metrics
from vlrlcd.evaluation.whole import WholeStudent, weights_on_disk
from vlrlcd.job import prepare_questions
from vlrlcd.processes import ranks

PROMPTS = 8
"""How many rendered prompts tell whether the templates are the same."""


def evaluate_checkpoint(config: Config, folder: Path) -> dict[str, Metric]:
    """Asks the checkpoint, whole on each process, and leaves eval.json, predictions and answers in the folder.

    Raises:
        UserError, AdapterError: before the weights are read, for whatever the user can mend.
        Stopped: a signal came; the answers so far are kept.
    """
    adapter, questions = prepare_questions(config)
    goal = Destination(folder, config.evaluation.split)
    depends_on = _depends_on(config, questions)
    student = WholeStudent(adapter, config.model)
    table = evaluate(student, config, questions, goal, config.evaluation.controls, depends_on)
    if ranks.first():
        add_metrics(folder / "eval.json", questions.card.name, config.evaluation.split, STAGE, table)
    return table


def score_predictions(config: Config, path: Path) -> tuple[dict[str, Metric], list[str]]:
    """The metrics of a file in the official form, and what it leaves out or has too much.

    Raises:
        UserError: see `read_predictions`; or the file predicts nothing that the data set could be scored by.
    """
    card = load_card(config.data.dataset)
    examples = held_out_examples(config, card)
    found, scores = read_predictions(path, examples), {}
    if found.multiple_choice:
        scores |= checked_scores(CHOICE, examples, found.multiple_choice, seen=[])
    if found.direct_answer:
        scores |= direct_scores(examples, found.direct_answer)
    table = summarised(examples, scores, config.evaluation, config.run.seed)
    if not table:
        raise UserError(
            f"{path}: nothing in it can be scored, for the official form has choices and direct answers, and "
            f"{card.name} (task {card.task}) {config.evaluation.split} has neither; evaluate a checkpoint instead."
        )
    return table, found.notes


def _depends_on(config: Config, questions: Questions) -> dict[str, Any]:
    """What must be the same for answers that lie there to be taken."""
    prompts = [questions.templates.render("student", replace(e, images=())) for e in questions.examples[:PROMPTS]]
    return {
        "model.checkpoint": config.model.checkpoint,
        "its weights": weights_on_disk(config.model.checkpoint),
        "model.dtype": config.model.dtype,
        "data.dataset": config.data.dataset,
        "data.root": config.data.root,
        # which image stands in for another depends on how many there are
        "evaluation.limit": config.evaluation.limit,
        "sampling.max_new_tokens": config.sampling.max_new_tokens,
        "the prompts": sha256(json.dumps(prompts).encode()).hexdigest()[:12],
    }
