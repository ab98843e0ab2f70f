"""Jobs as real processes: what fails, what follows, what stops."""

import os
import signal
import sys
import threading
import time

import pytest

from tests.comparison.folders import planned
from vlrlcd.comparison.jobs import Job, jobs
from vlrlcd.comparison.running import History, Running, alone
from vlrlcd.errors import UserError


@pytest.fixture
def handlers():
    kept = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


@pytest.fixture
def made(tmp_path):
    """A job that runs a line of Python; it is finished once its file is there."""

    def job(name, line="done()", *needs):
        mark = tmp_path / name.replace("/", "-")
        code = f"import pathlib, time, sys, os; done = pathlib.Path({str(mark)!r}).touch; {line}"
        return Job(name, tmp_path / f"{mark.name}.log", needs, mark.exists, lambda: [sys.executable, "-c", code])

    return job


@pytest.fixture
def run(tmp_path, handlers):
    def ran(*wanted, parallel=1):
        with alone(tmp_path) as lock:
            running = Running(list(wanted), parallel, History(tmp_path), lock)
            running.run()
        return running

    return ran


def outcomes(folder):
    return {line["job"]: line["outcome"] for line in History(folder).lines}


def test_one_that_fails_is_told_and_the_others_go_on(made, run, tmp_path, capsys):
    bad = made("r/bad/1", "print('working'); sys.exit('error: no such row')")
    after, last = made("r/after/1", "done()", "r/bad/1"), made("r/good/1")
    running = run(bad, after, last)
    assert running.failed == {"r/bad/1": "error: no such row", "r/after/1": "needs r/bad/1, which failed"}
    assert outcomes(tmp_path) == {"r/bad/1": "failed", "r/after/1": "failed", "r/good/1": "done"}
    told = capsys.readouterr()
    assert f"failed  r/bad/1: error: no such row\n        log: {bad.log}" in told.out + told.err
    assert set(History(tmp_path).failed([bad, after, last])) == {"r/bad/1", "r/after/1"}
    bad.finished.__self__.touch()
    assert set(History(tmp_path).failed([bad, after, last])) == {"r/after/1"}


def test_a_process_that_ends_well_and_leaves_nothing_has_failed(made, run):
    assert run(made("r/idle/1", "print('nothing')")).failed == {"r/idle/1": "nothing"}
    assert run(made("r/dumb/1", "sys.exit(3)")).failed == {"r/dumb/1": "exit code 3"}


def test_a_command_that_is_refused_when_its_turn_comes(made, run):
    def refused():
        raise UserError("stage2.epochs is another.")

    job = made("r/x/1")
    assert run(Job(job.name, job.log, (), job.finished, refused)).failed == {"r/x/1": "stage2.epochs is another."}


def test_what_is_needed_comes_first_and_so_many_run_at_once(made, run, tmp_path):
    # each of the two waits for the other to have begun
    meet = "pathlib.Path({!r}).touch(); [time.sleep(0.05) for _ in iter(pathlib.Path({!r}).exists, True)]; done()"
    x, y = str(tmp_path / "x"), str(tmp_path / "y")
    one, other = made("a", meet.format(x, y)), made("b", meet.format(y, x))
    last = made("c", f"os.path.exists({str(tmp_path / 'a')!r}) and done()", "a", "b")
    assert run(last, one, other, parallel=2).failed == {}
    assert list(outcomes(tmp_path))[-1] == "c"


def test_processes_take_one_thread_unless_told(made, run, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert run(made("a", "os.environ['OMP_NUM_THREADS'] == '1' and done()")).failed == {}
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert run(made("b", "os.environ['OMP_NUM_THREADS'] == '2' and done()")).failed == {}


def test_a_signal_stops_what_runs_and_starts_no_more(made, run, tmp_path):
    waiting = made("a", f"pathlib.Path({str(tmp_path / 'began')!r}).touch(); time.sleep(60)")

    def stop():
        while not (tmp_path / "began").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    began = time.monotonic()
    running = run(waiting, made("b"))
    assert running.stopped and running.failed == {} and time.monotonic() - began < 30
    assert outcomes(tmp_path) == {"a": "stopped"}


def test_one_process_works_in_a_folder(tmp_path):
    told = "is being worked in by another process: wait for it or stop it"
    with alone(tmp_path), pytest.raises(UserError, match=told), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_how_long_it_takes_is_the_median_of_what_is_like_it(made, tmp_path):
    history = History(tmp_path)
    took = {"r/x/1": 10, "r/x/2": 30, "r/x/3": 20, "r/y/1": 99, "r/x/1/asked": 5, "build s/1": 400}
    for name, seconds in took.items():
        history.add(made(name), "done", seconds, "")
    # stopped and gone on with: both together
    history.add(made("q/z/1"), "stopped", 40, "")
    history.add(made("q/z/1"), "done", 2, "")
    wanted = {"r/x/4": 20, "s/y/1": 99, "r/x/9/asked": 5, "build s/2": 400, "q/z/2": 42, "r/new/1": None}
    assert {name: History(tmp_path).estimate(made(name)) for name in wanted} == wanted


def test_a_build_is_whole_or_not_there(tmp_path, run, monkeypatch):
    monkeypatch.setattr("vlrlcd.comparison.jobs.ROOT", tmp_path)
    (tmp_path / "make.py").write_text(
        "import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.mkdir(); (p / 'x').touch()"
    )
    built = tmp_path / "seeds/1"
    half = tmp_path / "seeds/.1.partial"
    half.mkdir(parents=True)
    plan, found = planned(tmp_path, builds={str(built): ["make.py", "{out}"]}, settings={"data.root": str(built)})
    (build, *_) = jobs(plan, list(found.values()))
    assert build.name == f"build {built}" and not build.finished()
    assert run(build).failed == {}
    assert (built / "x").exists() and not half.exists() and build.finished()
    (tmp_path / "make.py").write_text("")
    built.rename(tmp_path / "away")
    assert run(build).failed == {f"build {built}": "exit code 0"}
