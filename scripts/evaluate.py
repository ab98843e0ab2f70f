"""Evaluates a checkpoint, or a file of predictions, on a split of a data set.

    python scripts/evaluate.py --config FILE --model.checkpoint=runs/NAME/student       a student folder
    python scripts/evaluate.py --config FILE --model.checkpoint=OWNER/NAME              a hub id; or a LoRA adapter
    python scripts/evaluate.py --config runs/NAME/config.yaml --evaluation.split=test   as in a run, another split
    deepspeed --num_gpus 4 scripts/evaluate.py --config FILE                            on so many GPUs
    python scripts/evaluate.py --config FILE --predictions=FILE.json                    a file in the official form

Leaves eval.json, predictions_SPLIT.json (official A-OKVQA form) and predictions_SPLIT.jsonl (a line per question) in
--output. Interrupted, the same command goes on. What each figure means: docs/evaluation.md.
"""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from vlrlcd.cli import parse, run
from vlrlcd.config import Config
from vlrlcd.data.card import Card, load_card
from vlrlcd.data.splits import held_out_examples
from vlrlcd.evaluation.evaluate import Destination, Questions, evaluate
from vlrlcd.evaluation.intervals import Metric
from vlrlcd.evaluation.predictions import read_predictions
from vlrlcd.evaluation.scores import choice_scores, direct_scores, summarised
from vlrlcd.evaluation.table import add_metrics
from vlrlcd.evaluation.whole import WholeStudent, weights_on_disk
from vlrlcd.job import prepare_questions
from vlrlcd.processes import ranks
from vlrlcd.processes.start import end_processes, start_processes
from vlrlcd.processes.stopping import Stopped, listen
from vlrlcd.summary import print_evaluation

STAGE = "student"
"""Under which eval.json keeps the figures."""
PROMPTS = 8
"""How many rendered prompts tell whether the templates are the same."""
FLAGS = {
    "--output": {"type": str, "default": "", "help": "folder for what it leaves; default evaluations/CHECKPOINT"},
    "--predictions": {"type": str, "default": "", "help": "score this file in the official form; no model is loaded"},
}


def main() -> None:
    config, flags = parse(__doc__, own_flags=FLAGS)
    if flags.predictions:
        score_file(config, flags.predictions, flags.output)
        return
    with start_processes():
        try:
            evaluate_checkpoint(config, flags.output)
        except Stopped:
            if ranks.first():
                print("stopped; the same command goes on with what is missing")
    end_processes()


def score_file(config: Config, path: str, output: str) -> None:
    """A file's metrics; tells what it leaves out or has too much."""
    card = load_card(config.data.dataset)
    examples = held_out_examples(config, card)
    found = read_predictions(path, examples)
    for note in found.notes:
        print(note)
    scores = {}
    if found.multiple_choice:
        scores |= choice_scores(examples, found.multiple_choice, seen=[])
    if found.direct_answer:
        scores |= direct_scores(examples, found.direct_answer)
    table = summarised(examples, scores, config.evaluation, config.run.seed)
    tell(config, card, path, table, output)


def evaluate_checkpoint(config: Config, output: str) -> None:
    """A checkpoint's metrics, with all files."""
    folder = Path(output or Path("evaluations") / config.model.checkpoint.strip("/").replace("/", "--"))
    adapter, questions = prepare_questions(config)
    listen()
    goal = Destination(folder, config.evaluation.split)
    depends_on = answers_depend_on(config, questions)
    student = WholeStudent(adapter, config.model)
    table = evaluate(student, config, questions, goal, config.evaluation.controls, depends_on)
    if ranks.first():
        tell(config, questions.card, config.model.checkpoint, table, str(folder))


def answers_depend_on(config: Config, questions: Questions) -> dict[str, Any]:
    """What must be the same for answers that lie there to be taken; other questions are asked besides."""
    prompts = [questions.templates.render("student", replace(e, images=())) for e in questions.examples[:PROMPTS]]
    return {
        "model.checkpoint": config.model.checkpoint,
        "its weights": weights_on_disk(config.model.checkpoint),
        "model.dtype": config.model.dtype,
        "data.dataset": config.data.dataset,
        "data.root": config.data.root,
        "sampling.max_new_tokens": config.sampling.max_new_tokens,
        "the first prompts": sha256(json.dumps(prompts).encode()).hexdigest()[:12],
    }


def tell(config: Config, card: Card, what: str, table: dict[str, Metric], output: str) -> None:
    """The table on the terminal, and in eval.json where there is a folder for it."""
    split = config.evaluation.split
    print_evaluation(f"{what} on {card.title}, {split}", {STAGE: table})
    if output:
        add_metrics(Path(output) / "eval.json", card.name, split, STAGE, table)
        print(f"\nleft in      {output}")


if __name__ == "__main__":
    run(main)
