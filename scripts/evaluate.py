"""Evaluates a checkpoint, or a file of predictions, on a split of a data set.

    python scripts/evaluate.py --config FILE --model.checkpoint=runs/NAME/student       a student folder
    python scripts/evaluate.py --config FILE --model.checkpoint=OWNER/NAME              a hub id; or a LoRA adapter
    python scripts/evaluate.py --config runs/NAME/config.yaml --model.checkpoint=runs/NAME/student     as in its run
    deepspeed --num_gpus 4 scripts/evaluate.py --config FILE                            on so many GPUs
    python scripts/evaluate.py --config FILE --predictions=FILE.json                    a file in the official form

A run's config.yaml names the checkpoint that the run began with, so the student is named too; another split is named by
--evaluation.split=test. Leaves eval.json, predictions_SPLIT.json (official A-OKVQA form) and predictions_SPLIT.jsonl (a
line per question) in --output; of a file of predictions eval.json alone, and only where --output is given. Interrupted,
it leaves with exit code 130, and the same command goes on. What each figure means: docs/evaluation.md.
"""

import sys
from pathlib import Path

from vlrlcd.anchors.ending import INTERRUPTED
from vlrlcd.cli import config_file, parse, run
from vlrlcd.config import Config
from vlrlcd.evaluation.alone import evaluate_checkpoint, score_predictions
from vlrlcd.evaluation.intervals import Metric
from vlrlcd.evaluation.table import STAGE
from vlrlcd.processes import ranks
from vlrlcd.processes.start import end_processes, start_processes
from vlrlcd.processes.stopping import Stopped, listen
from vlrlcd.scenes.release import QUICKSTART, draw_for
from vlrlcd.summary import print_evaluation

FLAGS = {
    "--output": {
        "type": str,
        "default": "",
        "help": "folder for what it leaves; default evaluations/CHECKPOINT; none with --predictions",
    },
    "--predictions": {"type": str, "default": "", "help": "score this file in the official form; no model is loaded"},
}


def main() -> None:
    config, flags = parse(__doc__, QUICKSTART, own_flags=FLAGS)
    if flags.predictions:
        draw_for(config_file(), config.data.root)
        folder = Path(flags.output) if flags.output else None
        table, notes = score_predictions(config, Path(flags.predictions), folder)
        print("\n".join(notes))
        tell(config, flags.predictions, table, folder)
        return
    checkpoint = config.model.checkpoint
    folder = Path(flags.output or Path("evaluations") / checkpoint.strip("/").replace("/", "--"))
    code = 0
    with start_processes():
        listen()
        ranks.once(lambda: draw_for(config_file(), config.data.root))
        try:
            table = evaluate_checkpoint(config, folder)
            if ranks.first():
                tell(config, checkpoint, table, folder)
        except Stopped:
            code = INTERRUPTED
            if ranks.first():
                print("stopped; the same command goes on with what is missing")
    end_processes()
    sys.exit(code)


def tell(config: Config, what: str, table: dict[str, Metric], folder: Path | None) -> None:
    print_evaluation(f"{what} on {config.data.dataset}, {config.evaluation.split}", {STAGE: table})
    if folder:
        print(f"\nleft in      {folder}")


if __name__ == "__main__":
    run(main)
