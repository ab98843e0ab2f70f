"""Evaluates a checkpoint, or a file of predictions, on a split of a data set.

    python scripts/evaluate.py --config FILE --model.checkpoint=runs/NAME/student       a student folder
    python scripts/evaluate.py --config FILE --model.checkpoint=OWNER/NAME              a hub id; or a LoRA adapter
    python scripts/evaluate.py --config runs/NAME/config.yaml --evaluation.split=test   as in a run, another split
    deepspeed --num_gpus 4 scripts/evaluate.py --config FILE                            on so many GPUs
    python scripts/evaluate.py --config FILE --predictions=FILE.json                    a file in the official form

Leaves eval.json, predictions_SPLIT.json (official A-OKVQA form) and predictions_SPLIT.jsonl (a line per question) in
--output. Interrupted, the same command goes on. What each figure means: docs/evaluation.md.
"""

from pathlib import Path

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
    "--output": {"type": str, "default": "", "help": "folder for what it leaves; default evaluations/CHECKPOINT"},
    "--predictions": {"type": str, "default": "", "help": "score this file in the official form; no model is loaded"},
}


def main() -> None:
    config, flags = parse(__doc__, QUICKSTART, own_flags=FLAGS)
    if flags.predictions:
        table, notes = score_predictions(config, Path(flags.predictions))
        print("\n".join(notes))
        tell(config, flags.predictions, table)
        return
    checkpoint = config.model.checkpoint
    folder = Path(flags.output or Path("evaluations") / checkpoint.strip("/").replace("/", "--"))
    with start_processes():
        listen()
        ranks.once(lambda: draw_for(config_file(), config.data.root))
        try:
            table = evaluate_checkpoint(config, folder)
            if ranks.first():
                tell(config, checkpoint, table)
                print(f"\nleft in      {folder}")
        except Stopped:
            if ranks.first():
                print("stopped; the same command goes on with what is missing")
    end_processes()


def tell(config: Config, what: str, table: dict[str, Metric]) -> None:
    print_evaluation(f"{what} on {config.data.dataset}, {config.evaluation.split}", {STAGE: table})


if __name__ == "__main__":
    run(main)
