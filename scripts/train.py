"""Trains a student: SFT on the teacher's anchors, then preference optimisation on its own ranked candidates.

    deepspeed scripts/train.py                                   the quickstart: drawn scenes, a tiny LLaVA, minutes
    deepspeed scripts/train.py --config configs/FILE.yaml        an experiment
    deepspeed scripts/train.py --config FILE --stage2.beta=0.1   with a value changed

Leaves runs/NAME/ with the student, figures, samples and report.html.
"""

from pathlib import Path

from vlrlcd.cli import config_file, parse_config, run
from vlrlcd.config import DataConfig
from vlrlcd.engine import refuse_several_processes
from vlrlcd.scenes.release import ensure_release
from vlrlcd.trainer import Stopped, train

QUICKSTART = "configs/quickstart.yaml"


def main() -> None:
    config = parse_config(__doc__, QUICKSTART)
    refuse_several_processes()
    chosen = config_file() or QUICKSTART
    # never draws into a folder of the user's own
    if chosen == QUICKSTART and config.data.root == DataConfig().root:
        ensure_release(config.data.root)
    try:
        train(config, Path(chosen).stem)
    except Stopped as stopped:
        print(f"stopped and saved; go on with the same command and --run.name={stopped.args[0].name} --run.resume=true")


if __name__ == "__main__":
    run(main)
