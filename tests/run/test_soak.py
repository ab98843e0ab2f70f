"""A long run of the quickstart's student: it takes no more memory and opens no more files at its end than at its start.

`make soak` runs it; SOAK_STEPS says how long. Four prompts a step in place of sixteen make it quick.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import psutil
import pytest

from tests.run.jobs import CONFIG, finish, launch, lines
from vlrlcd.scenes.release import write_release

STEPS = int(os.environ.get("SOAK_STEPS", "2000"))
PROMPTS, PER_STEP = 64, 4
FIRST = PROMPTS // PER_STEP
"""Steps of stage I."""
WARM = 200
"""Steps of stage II in which buffers and caches fill."""
EVERY_S = 0.5
MOST_MB = 1.0
"""What resident memory may grow by in a hundred steps."""


@pytest.fixture
def job(tmp_path):
    """The quickstart's command with fewer questions and more steps."""
    for split, questions in (("train", PROMPTS), ("val", 8)):
        write_release(tmp_path / "scenes", split, questions, seed=0)
    settings = {
        "data.root": tmp_path / "scenes",
        "stage1.prompts_per_step": PER_STEP,
        "stage2.prompts_per_step": PER_STEP,
        "stage2.epochs": STEPS / FIRST,
        "run.root": tmp_path,
        "run.name": "it",
    }
    flags = [f"--{key}={value}" for key, value in settings.items()]
    return launch([], "scripts/train.py", f"--config={CONFIG}", *flags)


def watched(job, run):
    """(step of stage II, MB resident, open files) again and again until a job ends."""
    taken, own = [], psutil.Process(job.pid)
    with ThreadPoolExecutor(1) as pool:
        # reads what it prints, or it would wait for a reader
        ended = pool.submit(finish, job, 3 * 3600)
        while not ended.done():
            with suppress(psutil.Error):
                taken.append((len(lines(run / "metrics.jsonl")) - FIRST, own.memory_info().rss / 1e6, own.num_fds()))
            time.sleep(EVERY_S)
        code, _, err = ended.result()
    assert code == 0, err
    return taken


@pytest.mark.slow
def test_memory_and_open_files_stay_flat(job, tmp_path):
    taken = [row for row in watched(job, tmp_path / "it") if WARM <= row[0] < STEPS]
    steps, resident, files = np.array(taken).T
    slope = 100 * np.polyfit(steps, resident, 1)[0]
    # a file at work comes and goes, one that stays open lifts the least
    early, late = files[: len(files) // 4].min(), files[-len(files) // 4 :].min()
    quarters = ", ".join(f"{part.mean():.1f}" for part in np.array_split(resident, 4))
    print(f"stage II, steps {WARM} to {STEPS}, {len(taken)} looks: {slope:+.3f} MB a hundred steps")
    print(f"resident by quarters {quarters} MB; open files {early:.0f} at first, {late:.0f} at last")
    assert len(taken) >= 10 and len(lines(tmp_path / "it/metrics.jsonl")) == FIRST + STEPS
    assert slope < MOST_MB
    assert late <= early
