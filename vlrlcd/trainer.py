"""The two stages, as one loop."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

from transformers.utils import logging as transformers_logging

from vlrlcd.checkpoints import drop_all_but
from vlrlcd.clock import Clock
from vlrlcd.config import Config, learning_rate, used_stages
from vlrlcd.easing import eased
from vlrlcd.engine import Engine
from vlrlcd.errors import UserError
from vlrlcd.evaluation.evaluate import Destination, evaluate
from vlrlcd.group import Group
from vlrlcd.job import Job, prepare
from vlrlcd.judging.judges import Judge, open_judge
from vlrlcd.loader import GroupLoader, RowCache, groups_ahead, shuffled_anchors
from vlrlcd.memory import peak_bytes
from vlrlcd.methods import METHODS, Preference, Step, sample_candidates, sft_step, warm_up
from vlrlcd.mishaps import finite_norm, memory_told, refuse_no_number
from vlrlcd.passes import PassLimit
from vlrlcd.processes import ranks
from vlrlcd.processes.start import start_processes
from vlrlcd.processes.stopping import Stopped, listen, stop_asked, stop_if_asked
from vlrlcd.progress import progress
from vlrlcd.ranking.distribution import NothingToCalibrate, Scale, calibrate_tau
from vlrlcd.ranking.rank import Ranker, margins
from vlrlcd.report import write_model_card, write_report
from vlrlcd.run_folder import RunFolder, folder_for
from vlrlcd.student import DTYPES, Student, student_adapter
from vlrlcd.summary import print_results, print_stage, print_start

OneStep = Callable[[list[Group], int, int], Step]
"""(groups, step, update within the step) to the gradient of an update."""


def train(config: Config, source: str | Path) -> Path:
    """The whole job: check, evaluate, stage I, stage II, report. Returns the run's folder.

    Args:
        config: everything that the run depends on.
        source: the YAML; its name without the ending is the run's if none is given.

    Raises:
        UserError: before any long work, for whatever the user can mend.
        Stopped: after a signal to any of the processes, in all of them, everything saved.
    """
    transformers_logging.disable_progress_bar()
    with start_processes():
        default_name = Path(source).stem
        ranks.once(lambda: folder_for(config, default_name))
        job = prepare(config, source)
        folder = RunFolder(config, default_name, job.layout)
        return Trainer(ranks.once(lambda: eased(config, folder.path)), job, folder).run()


class Trainer:
    """A run: its inputs, its folder, and where it stands."""

    def __init__(self, config: Config, job: Job, run: RunFolder):
        self.config, self.job, self.folder = config, job, run
        self.clock = Clock()
        self.clock.seconds.update(run.place.get("seconds", {}))
        self.encoded = RowCache()
        self.loaders = {stage: self._loader(stage) for stage in ("stage1", "stage2")}
        self.steps = {stage: loader.steps(getattr(config, stage).epochs) for stage, loader in self.loaders.items()}
        self.method = METHODS[config.stage2.method]
        if self.method is None:
            self.steps["stage2"] = 0
        self.updates = {"stage1": 1, "stage2": config.stage2.updates}

    def run(self) -> Path:
        """Both stages with their evaluations, from wherever the run stands."""
        listen()
        if ranks.first():
            print_start(self.config, self.job, self.folder)
        facts = self.job.anchors.facts(self.config.sampling.candidates)
        self.folder.record(teacher=facts, steps=self.steps)
        left_out = [*self.job.anchors.unreadable, *self.job.anchors.set_aside]
        self.folder.save_set_aside([asdict(found) for found in left_out])
        try:
            if self.folder.place["stage"] == "stage1":
                self._imitate()
            if self.folder.place["stage"] == "stage2":
                self._prefer()
        except Stopped as stopped:
            stopped.run = self.folder.path
            raise
        self.folder.record(peak_bytes=peak_bytes(), phase_seconds=dict(self.clock.seconds))
        # what says that the run is whole comes last
        self.folder.record(spent=ranks.once(self._spent))
        self.folder.close()
        ranks.once(self._tell)
        return self.folder.path

    def _spent(self) -> dict[str, dict]:
        """Optimiser steps, candidates drawn and seconds of each stage, evaluations left out."""
        return {
            stage: {
                "optimiser_steps": steps * self.updates[stage],
                "candidates": sum(self.folder.logged(stage, "drawn")),
                "judged": sum(self.folder.logged(stage, "judged")),
                "seconds": sum(sum(row.values()) for row in self.folder.logged(stage, "seconds")),
            }
            for stage, steps in self.steps.items()
            if steps
        }

    def _tell(self) -> None:
        """What people read: the student's card, the page, the table on the terminal."""
        write_model_card(self.folder.path, self.job.card, self.job.adapter.sees_images)
        print_results(self.folder, self.job, self.config, write_report(self.folder.path))

    def _imitate(self) -> None:
        """Stage I: from the checkpoint to p_sft, a plain checkpoint of its own."""
        engine = self._engine(self.config.model.checkpoint, "stage1")
        self._evaluate(engine, "pretrained")
        warms_up = self.config.stage1.verdict_weight
        self._learn(engine, "stage1", self._warmed_step(engine) if warms_up else self._sft_step(engine))
        self._export(engine, "stage1", then="stage2")

    def _prefer(self) -> None:
        """Stage II: from p_sft to the student."""
        with self._judge() as judge:
            self._prefer_with(judge)

    def _judge(self) -> AbstractContextManager[Judge | None]:
        """Whom the method asks about candidates; the first process speaks for all."""
        judged = self.method and self.method.supervision and self.method.supervision.judged
        return open_judge(self.config, self.job.card, self.job.train) if judged and ranks.first() else nullcontext()

    def _prefer_with(self, judge: Judge | None) -> None:
        engine = self._engine(self.folder.path / "stage1", "stage2")
        self._evaluate(engine, "stage1")
        if self.steps["stage2"]:
            self._learn(engine, "stage2", self._stage2_step(engine, judge))
            self._evaluate(engine, "stage2")
        self._export(engine, "student", then="done")

    def _sft_step(self, engine: Engine) -> OneStep:
        return lambda groups, step, update: sft_step(engine, self.config, groups, self.clock)

    def _warmed_step(self, engine: Engine) -> OneStep:
        """Stage I with the warm-up of the verdict."""
        ranker = self._ranker()

        def one_step(groups: list[Group], step: int, update: int) -> Step:
            with self.clock("warm up"):
                risk = warm_up(engine, self.config, ranker, groups, step)
            done = sft_step(engine, self.config, groups, self.clock)
            return replace(done, figures={**done.figures, "verdict_risk": risk})

        return one_step

    def _stage2_step(self, engine: Engine, judge: Judge | None) -> OneStep:
        if not self.method.supervision:
            return self._sft_step(engine)
        ranker = replace(self._ranker(), judge=judge)
        preference = Preference(engine, self.config, ranker, self._scale(engine), self.clock)

        def one_step(groups: list[Group], step: int, update: int) -> Step:
            if update == 0:
                preference.draw(groups, step)
                preference.rank(groups, step)
            return preference.learn(groups, step)

        return one_step

    def _learn(self, engine: Engine, stage: str, one_step: OneStep) -> None:
        """Steps of a stage, each of one or several updates, from the last checkpoint to the end."""
        begun, steps = self.folder.place, self.steps[stage]
        if begun["tag"]:
            engine.load(self.folder.checkpoints, begun["tag"])
        bar = progress(desc=stage, unit="step", initial=begun["step"], total=steps)
        ahead = groups_ahead(self.loaders[stage], range(begun["step"], steps))
        for step in range(begun["step"], steps):
            before, place = self.clock.seconds.copy(), f"{stage}, step {step}"
            with self.clock("load"):
                groups = next(ahead)
            for update in range(self.updates[stage]):
                with memory_told(self.config, place, groups, self.folder.path):
                    done = one_step(groups, step, update)
                    refuse_no_number(done, stage, place, groups, self._last_good)
                    with self.clock("optimise"):
                        rate, norm = engine.step(step * self.updates[stage] + update)
                norm = finite_norm(norm, self.config, stage, place, groups, self._last_good)
            self._log(bar, stage, step, done, rate, norm, self.clock.seconds - before)
            due = self.config.run.save_every and (step + 1) % self.config.run.save_every == 0
            stop = stop_asked()
            # the last step is always kept, so that nothing after it can cost it
            if due or stop or step + 1 == steps:
                self._save(engine, stage, step + 1)
            if stop:
                raise Stopped
        bar.close()

    @property
    def _last_good(self) -> str:
        tag = self.folder.place["tag"]
        return f"{self.folder.checkpoints / tag} is from before it" if tag else "there is no checkpoint yet"

    def _scale(self, engine: Engine) -> Scale:
        """tau and gamma as configured, as calibrated before, or calibrated now."""
        wanted = self.config.ranking
        if "tau" in self.folder.place:
            return Scale(self.folder.place["tau"], self.folder.place["gamma"])
        # these two give D without a scale, or with scores that have only two values
        unscaled = not self.method.supervision.scaled or wanted.control in ("d_uniform", "oracle")
        tau = wanted.tau or (1.0 if unscaled else self._calibrated(engine))
        scale = Scale(tau, wanted.gamma or 1 / tau)
        self._stand_at(**{**self.folder.place, "tau": scale.tau, "gamma": scale.gamma})
        self.folder.record(tau=scale.tau, gamma=scale.gamma)
        return scale

    def _calibrated(self, engine: Engine) -> float:
        collected, ranker = [], self._ranker()
        steps = min(self.config.ranking.calibration_steps, self.steps["stage2"])
        for step in progress(range(steps), desc="calibrate tau", unit="batch"):
            stop_if_asked()
            with self.clock("calibrate"):
                groups = self.loaders["stage2"].groups(step)
                sample_candidates(engine, self.config, groups, f"calibration {step}", self.config.sampling.candidates)
                r_BK = margins(engine, ranker, groups)[2]
                found = zip(r_BK.tolist(), groups, strict=True)
                collected += ranks.collected([r_K[: len(g.candidates)] for r_K, g in found if g.weight])
        try:
            return calibrate_tau(collected)
        except NothingToCalibrate:
            raise UserError(
                f"ranking.tau cannot be calibrated: none of {len(collected)} groups has three candidates of different "
                "score; start a new run with --ranking.tau or with more sampling.candidates."
            ) from None

    def _loader(self, stage: str) -> GroupLoader:
        job, seed, anchors = self.job, self.config.run.seed, self.job.anchors.texts
        if stage == "stage2" and self.config.ranking.control == "anchors_shuffled":
            anchors = shuffled_anchors(anchors, seed)
        size = getattr(self.config, stage).prompts_per_step
        return GroupLoader(job.adapter, job.templates, job.train, anchors, size, seed, job.card.check, self.encoded)

    def _ranker(self) -> Ranker:
        config = self.config
        return Ranker(self.job.templates, config.ranking, config.run.seed, PassLimit.of(config.engine))

    def _engine(self, checkpoint: str | Path, stage: str) -> Engine:
        with self.clock("start"):
            settings = self.config.model
            adapter = student_adapter(settings, checkpoint).load_model(DTYPES[settings.dtype])
            prefers = stage == "stage2" and bool(self.method and self.method.objective)
            values = prefers and self.method.objective.values
            student = Student(adapter, settings, prefers, self.config.run.seed, with_values=values)
            table = student.trainable_table()
            self.folder.record(trainable=table)
            updates = self.steps[stage] * self.updates[stage]
            engine = Engine(student, self.config, learning_rate(self.config, stage), updates)
            if ranks.first():
                print_stage(self.config, stage, self.steps[stage], table, engine.sampling_note)
            return engine

    def _evaluate(self, engine: Engine, stage: str) -> None:
        job, split = self.job, self.config.evaluation.split
        if not job.held_out or ranks.once(lambda: stage in self.folder.evaluation(job.card.name, split)):
            return
        # what a student answers without sight is asked of the finished one
        controls = self.config.evaluation.controls if stage == used_stages(self.config)[-1] else []
        goal = Destination(self.folder.path, f"{split}_{stage}")
        with self.clock("evaluate"):
            found = evaluate(engine, self.config, job.questions, goal, controls)
        self.folder.save_evaluation(job.card.name, split, stage, found)

    def _export(self, engine: Engine, name: str, then: str) -> None:
        """Ends a stage: a plain Hugging Face checkpoint, whole or not at all, then the place of the next stage."""
        folder = self.folder.path / name

        def write() -> None:
            engine.adapter.save(partial := folder.with_name(f".{name}.partial"), weights)
            shutil.rmtree(folder, ignore_errors=True)
            partial.replace(folder)

        with self.clock("save"):
            weights = engine.plain_weights()
            ranks.once(write)
            engine.close()
        self._stand_at(stage=then, step=0, tag=None)
        ranks.once(lambda: shutil.rmtree(self.folder.checkpoints, ignore_errors=True))

    def _save(self, engine: Engine, stage: str, step: int) -> None:
        tag, kept = f"{stage}-{step:06}", self.config.run.keep_checkpoints
        with self.clock("save"):
            engine.save(self.folder.checkpoints, tag)
            self._stand_at(**{**self.folder.place, "stage": stage, "step": step, "tag": tag})
            ranks.once(lambda: drop_all_but(self.folder.checkpoints, kept))

    def _stand_at(self, **place) -> None:
        self.folder.save_place(**{**place, "seconds": dict(self.clock.seconds)})

    def _log(self, bar, stage: str, step: int, done: Step, rate: float, norm: float, seconds: dict) -> None:
        self.folder.log_samples(done.samples)
        speed = done.tokens / sum(seconds.values())
        figures = {"stage": stage, "step": step, **done.figures, "lr": rate, "grad_norm": norm, "tokens_per_s": speed}
        self.folder.log({**figures, "seconds": dict(seconds)})
        shown = {"loss": f"{done.figures['loss']:.3f}", "tok/s": f"{speed:.0f}"}
        bar.set_postfix({**shown, **{phase: f"{s:.2f}s" for phase, s in seconds.items()}}, refresh=False)
        bar.update()
