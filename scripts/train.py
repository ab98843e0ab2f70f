"""Trains a student: SFT on the teacher's anchors, then preference optimisation on its own ranked candidates.

    deepspeed scripts/train.py                                   the quickstart: drawn scenes, a tiny LLaVA, minutes
    deepspeed scripts/train.py --config configs/FILE.yaml        an experiment
    deepspeed scripts/train.py --config FILE --stage2.beta=0.1   with a value changed
    deepspeed --num_gpus 4 scripts/train.py --config FILE        on so many GPUs; more machines: docs/scaling.md

Leaves runs/NAME/ with the student, figures, samples and report.html.
"""

from vlrlcd.cli import config_file, parse_config, run
from vlrlcd.processes import ranks
from vlrlcd.processes.start import end_processes, start_processes
from vlrlcd.processes.stopping import Stopped
from vlrlcd.scenes.release import QUICKSTART, draw_for
from vlrlcd.trainer import train


def main() -> None:
    config = parse_config(__doc__, QUICKSTART)
    start_processes()
    chosen = config_file() or QUICKSTART
    ranks.once(lambda: draw_for(chosen, config.data.root))
    try:
        train(config, chosen)
    except Stopped as stopped:
        if ranks.first():
            name = stopped.run.name
            print(f"stopped and saved; go on with the same command and --run.name={name} --run.resume=true")
    end_processes()


if __name__ == "__main__":
    run(main)
