"""kill -9 at many random moments of one job, in many phases of it: it ends in the bits of one that was left alone.

`make kills` runs it; KILLS says how often. Moments are drawn phase by phase, so that short ones are hit too. A kill
that misses its phase counts where it landed, and the phase is aimed at again; on a busy machine some stay unhit.
"""

import os
import random
import time
from collections import Counter, defaultdict
from statistics import median_low

import pytest

from tests.run.forked import START_UP, Forked, place_of
from tests.run.jobs import figures, finish, lines, same_bits, start, weights
from vlrlcd.checkpoints import damage

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", "50"))
SEED = 0
LONG = {
    "stage1.epochs": 20,
    "stage1.verdict_weight": 1,
    "stage2.epochs": 20,
    "ranking.scorer": "verdict",
    "ranking.probe_every": 1,
    "evaluation.limit": 6,
    "evaluation.prompts_per_pass": 1,
    "run.save_every": 1,
    "run.resume": "auto",
}
"""Each step is saved, and questions are asked one by one."""
STEPS = 60
"""Of a stage."""
STAGES = ("stage1", "stage2", "done")
FINISHED = "ended before its kill"
IN_BOTH = {"start", "evaluate", "train", "optimise", "save", "checkpoint half written", "export half written"}
AIMED_AT = {
    *(f"stage1, {phase}" for phase in {START_UP, "warm up", *IN_BOTH}),
    *(f"stage2, {phase}" for phase in {"calibrate", "look", "sample", "rank", "probe", "last evaluate", *IN_BOTH}),
    "done, between phases",
}
FEWEST = 15
"""Different phases that are hit at least."""
AT_THE_END = ("last evaluate", "export half written", "done, between phases")
STEPS_AHEAD, TRIES = 8, 6
"""After so many steps without its phase, if that is none at the end, a process is killed where it is; so often a phase
is aimed at."""


@pytest.fixture(scope="module")
def left_alone(inputs, tmp_path_factory):
    """(run folder, seconds of every stay in each phase, in the order in which they come) of a job that nobody kills."""
    job = Forked(tmp_path_factory.mktemp("alone"), inputs, LONG)
    begun = [(phase, time.monotonic()) for phase in job.phases()]
    job.process.join()
    assert job.process.exitcode == 0
    stays = defaultdict(list)
    for (phase, at), (_, until) in zip(begun, [*begun[1:], (None, time.monotonic())], strict=True):
        stays[phase].append(until - at)
    return job.run, {phase: seconds for phase, seconds in stays.items() if phase in AIMED_AT}


def aims(stays, rng):
    """Phases to kill in, KILLS of them, as evenly as it goes, in the order in which a job comes to them."""
    order = list(stays)
    order.insert(order.index("stage2, last evaluate"), f"stage2, {START_UP}")
    often, rest = divmod(KILLS, len(order))
    chosen = Counter(order * often + rng.sample(order, rest))
    return [phase for phase in order for _ in range(chosen[phase])]


def killed(job, aim, visits, delay):
    """Kills a job after a delay in a phase that it comes to for the so-many-th time. Returns in which it died."""
    last = steps_of(job.run) + (STEPS if aim.endswith(AT_THE_END) else STEPS_AHEAD)
    for phase in job.phases():
        visits -= phase == aim
        if not visits:
            time.sleep(delay)
            break
        if stage_of(phase) > stage_of(aim) or steps_of(job.run) > last:
            break
    if job.kill():
        return job.phase()
    assert job.process.exitcode == 0
    return FINISHED


def stage_of(phase):
    return STAGES.index(phase.split(",")[0])


def steps_of(run):
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def assert_stands_well(run, before):
    """The checkpoint to go on from is whole, later than the one before, and at most one step is lost."""
    place = place_of(run)
    assert not place["tag"] or damage(run / "checkpoints" / place["tag"]) is None
    assert (STAGES.index(place["stage"]), place["step"]) >= (STAGES.index(before["stage"]), before["step"])
    steps = [line["step"] for line in lines(run / "metrics.jsonl") if line["stage"] == place["stage"]]
    assert steps == list(range(len(steps))) and 0 <= len(steps) - place["step"] <= 1


def test_every_kill_is_gone_on_from_to_the_same_bits(here, tmp_path, left_alone):
    expected, stays = left_alone
    assert stays.keys() == AIMED_AT
    rng, landed = random.Random(SEED), Counter()
    wanted = aims(stays, rng)
    for aim in wanted:
        stay = stays.get(aim, stays[f"stage1, {START_UP}"])
        for _ in range(TRIES):
            before = place_of(tmp_path / "it")
            # what every step has may be let pass
            visits = rng.randint(1, 3) if len(stay) > STEPS / 2 else 1
            died = killed(Forked(tmp_path, here, LONG), aim, visits, 0.7 * rng.random() * median_low(stay))
            assert_stands_well(tmp_path / "it", before)
            landed[died] += 1
            # a stage that is over has none of its phases any more
            if landed[aim] or STAGES.index(place_of(tmp_path / "it")["stage"]) > stage_of(aim):
                break
    code, _, err = finish(start(here, LONG, {"run.name": "it"}))
    assert code == 0, err
    kills = landed.total() - landed[FINISHED]
    print(f"seed {SEED}: {kills} kills")
    print("\n".join(f"{often:4} {phase}" for phase, often in sorted(landed.items())))
    assert_same_run(tmp_path / "it", expected)
    assert kills >= KILLS and len(landed) >= min(FEWEST, len(set(wanted)))
    assert len(AIMED_AT) > KILLS or {f"{stage}, checkpoint half written" for stage in STAGES[:2]} <= set(landed)


def assert_same_run(run, expected):
    for part in ("stage1", "student"):
        assert same_bits(weights(run, part), weights(expected, part))
    assert figures(run) == figures(expected)
    assert [(line["stage"], line["step"]) for line in figures(run)] == [
        (stage, step) for stage in STAGES[:2] for step in range(STEPS)
    ]
    answers = sorted(path.relative_to(expected) for path in expected.glob("answers/*.jsonl"))
    for name in ("samples.jsonl", *answers):
        assert lines(run / name) == lines(expected / name)
    assert (run / "eval.json").read_text() == (expected / "eval.json").read_text()
    assert files(run) == files(expected)


def files(run):
    return {path.relative_to(run) for path in run.rglob("*")}
