"""An evaluation by itself: of a checkpoint, or of a file of predictions."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from model_adapters import ModelAdapter
from vlrlcd.config import Config
from vlrlcd.data.card import load_card
from vlrlcd.data.example import ImageSource
from vlrlcd.data.splits import asked_examples
from vlrlcd.data.tasks import CHOICE
from vlrlcd.errors import UserError
from vlrlcd.evaluation.evaluate import Destination, Questions, evaluate
from vlrlcd.evaluation.intervals import Metric
from vlrlcd.evaluation.predictions import read_predictions
from vlrlcd.evaluation.scores import checked_scores, direct_scores, summarised
from vlrlcd.evaluation.table import STAGE, put_evaluation
from vlrlcd.evaluation.whole import WholeStudent, files_on_disk
from vlrlcd.job import prepare_questions
from vlrlcd.processes import ranks

ASKED = ("student", "direct")
"""The templates of an evaluation."""
COMPARED = {"accuracy", "direct_answer"}
"""What a file of predictions is first scored by."""


def evaluate_checkpoint(config: Config, folder: Path) -> dict[str, Metric]:
    """Asks the checkpoint, whole on each process, and leaves eval.json, predictions and answers in the folder.

    Raises:
        UserError, AdapterError: before the weights are read, for whatever the user can mend.
        Stopped: a signal came; the answers so far are kept.
    """
    adapter, questions = prepare_questions(config)
    goal = Destination(folder, config.evaluation.split)
    made_with = ranks.once(lambda: depends_on(config, adapter, questions))
    student = WholeStudent(adapter, config.model, config.engine.decoding)
    table = evaluate(student, config, questions, goal, config.evaluation.controls, made_with)
    if ranks.first():
        put_evaluation(folder / "eval.json", questions.card.name, config.evaluation.split, STAGE, table)
    return table


def score_predictions(config: Config, path: Path, folder: Path | None) -> tuple[dict[str, Metric], list[str]]:
    """The metrics of a file in the official form, left in eval.json of the folder, and what it lacks or has too much.

    Raises:
        UserError: see `read_predictions`; or no split is named, or one whose answers are hidden.
    """
    card, split = load_card(config.data.dataset), config.evaluation.split
    examples = asked_examples(config, card)
    found, scores = read_predictions(path, examples), {}
    if found.multiple_choice:
        scores |= checked_scores(CHOICE, examples, found.multiple_choice, seen=[])
        # what the file leaves out is told, and is no answer that could be read
        pairs = zip(found.multiple_choice, scores["unreadable"], strict=True)
        scores["unreadable"] = [None if choice is None else value for choice, value in pairs]
    if found.direct_answer:
        scores |= direct_scores(examples, found.direct_answer)
    table = summarised(examples, scores, config.evaluation, config.run.seed)
    if not table.keys() & COMPARED:
        raise UserError(
            f"{path}: no question of the split has an answer to compare with; give a split whose answers are known "
            "(--evaluation.split) and a file that predicts them."
        )
    if folder:
        put_evaluation(folder / "eval.json", card.name, split, STAGE, table)
    return table, found.notes


def depends_on(config: Config, adapter: ModelAdapter, questions: Questions) -> dict[str, Any]:
    """What must be the same for answers that lie there to be taken; what is long, as a hash."""
    prompts = [[questions.templates.render(kind, example) for kind in ASKED] for example in questions.examples]
    model = config.model
    return {
        "model.checkpoint": model.checkpoint,
        "the files of the model": _hashed([files_on_disk(name) for name in (adapter.checkpoint, adapter.additions)]),
        "model.adapter": model.adapter,
        "the chat template": _hashed(adapter.processor.chat_template),
        "model.min_pixels": model.min_pixels,
        "model.max_pixels": model.max_pixels,
        "model.dtype": model.dtype,
        "data.dataset": config.data.dataset,
        "data.root": config.data.root,
        # which image stands in for another depends on how many there are, and on the draw
        "evaluation.limit": config.evaluation.limit,
        "run.seed": config.run.seed,
        "sampling.max_new_tokens": config.sampling.max_new_tokens,
        "the prompts and images": _hashed(prompts),
    }


def _hashed(content: Any) -> str:
    return sha256(json.dumps(content, default=_stamp).encode()).hexdigest()[:12]


def _stamp(image: ImageSource) -> str | list:
    """An image in a prompt: a file by its name, bytes and time of change (ns), which are quicker read than it."""
    if isinstance(image, bytes):
        return sha256(image).hexdigest()
    found = image.stat()
    return [str(image), found.st_size, found.st_mtime_ns]
