"""What a person reads on the terminal: the plan before the work, the table after it."""

from pathlib import Path
from statistics import fmean

from vlrlcd.anchors.ledger import spending
from vlrlcd.config import Config, learning_rate
from vlrlcd.easing import EASED
from vlrlcd.engine import deepspeed_settings, zero_stage
from vlrlcd.evaluation.intervals import Metric
from vlrlcd.job import Job
from vlrlcd.processes import ranks
from vlrlcd.run_folder import RunFolder

COLUMNS = {
    "accuracy": "accuracy",
    "direct_answer": "direct answer",
    "truthful_rationales": "true rationales",
    "rouge_l": "ROUGE-L",
}
HEADLINES = ("accuracy", "rouge_l")
WITHOUT_SIGHT = {"blank": "blank images", "wrong_image": "wrong images", "question_only": "no image"}


def print_start(config: Config, job: Job, run: RunFolder) -> None:
    """Run, student, data, teacher calls."""
    print(f"run          {run.path}")
    print(f"student      {config.model.checkpoint} ({job.adapter.config.model_type}, {config.model.tuning})")
    if config.eyes.checkpoint:
        named = (config.eyes.checkpoint, config.eyes.captioner)
        print(f"eyes         {' and '.join(filter(None, named))}: the student is told its images in words")
    stage = zero_stage(deepspeed_settings(config, ranks.count()))
    print(f"processes    {ranks.count()}, ZeRO stage {stage} ({config.engine.deepspeed})")
    if (run.path / EASED).exists():
        most, tokens = config.engine.prompts_per_pass, config.engine.tokens_per_pass
        print(f"passes       at most {most} prompts and {tokens} tokens, since the memory was full ({EASED})")
    print(f"data         {job.card.name}: {len(job.train)} training prompts, {len(job.held_out)} held out")
    for line in _teacher_lines(job, config.sampling.candidates):
        print(line)


def _teacher_lines(job: Job, candidates: int) -> list[str]:
    facts = job.anchors.facts(candidates)
    anchors, judged = facts["anchors"], facts["calls_if_it_judged"]
    lines = [f"teacher      {facts['name']}: {anchors} anchors (judging every candidate would take {judged} calls)"]
    lines += [f"  set aside  {count}: {reason}" for reason, count in facts["set_aside"].items()]
    if spent := facts["collected"]:
        lines.append(f"  collected  {spending(spent, spent['cost_usd'] or spent['unpriced'])}")
    return lines


def print_stage(config: Config, stage: str, steps: int, trainable: list[dict], sampling: str | None) -> None:
    """Steps, learning rate, what trains, and how ZeRO-3 samples where it does."""
    size = getattr(config, stage).prompts_per_step
    print(f"{stage:<12} {steps} steps of {size} prompts, learning rate {learning_rate(config, stage):g}")
    for line in trainable_lines(trainable):
        print(f"  {line}")
    if sampling:
        print(f"  sampling {sampling}")


def trainable_lines(table: list[dict]) -> list[str]:
    """A line for each part of `Student.trainable_table`."""
    return [
        f"{part['part']:<16} {part['tuning']:<8} {part['trainable']:>14,} of {part['total']:>14,} parameters train"
        for part in table
    ]


def print_results(run: RunFolder, job: Job, config: Config, page: Path) -> None:
    """The evaluation of every stage, how good the self-ranking was, and where things lie."""
    stages = run.evaluation(job.card.name, config.evaluation.split)
    if stages:
        print_evaluation(f"{job.card.title}, {config.evaluation.split}", stages)
    for stage, spent in run.facts()["spent"].items():
        drawn = f"{spent['candidates']:,} candidates, " if spent["candidates"] else ""
        judged = f"{spent['judged']:,} of them judged, " if spent["judged"] else ""
        print(f"{stage:<13} {spent['optimiser_steps']:,} optimiser steps, {drawn}{judged}{spent['seconds']:.1f} s")
    aucs = [value for value in run.logged("stage2", "auc") if value is not None]
    if aucs:
        print(f"\nself-ranking  within-group AUC against correctness {fmean(aucs):.3f}, mean of {len(aucs)} steps")
    print(f"\nstudent      {run.path / 'student'}\nreport       {page}")


def print_evaluation(title: str, stages: dict[str, dict[str, Metric]]) -> None:
    """The table: a line per stage, then the last one without sight, and by how much that helps, paired by question."""
    columns = [key for key in COLUMNS if any(key in found for found in stages.values())]
    print(f"\n{title}, 95 % intervals\n{'':<22}" + "".join(f"{COLUMNS[key]:>22}" for key in columns))
    for stage, found in stages.items():
        print(f"{stage:<22}" + "".join(f"{_cell(found.get(key)):>22}" for key in columns))
    name, last = list(stages.items())[-1]
    main = next((key for key in HEADLINES if key in last), "")
    below = {
        **{f"{name}, {said}": f"{main}_{control}" for control, said in WITHOUT_SIGHT.items()},
        "gain from sight": "gain_from_sight",
        "majority answer": "majority",
    }
    column = columns.index(main) if main else 0
    for said, key in below.items():
        if key in last:
            print(f"{said:<22}" + " " * 22 * column + f"{_cell(last[key]):>22}")


def _cell(found: dict | None) -> str:
    if not found or found["value"] is None:
        return "-"
    value, low, high = (100 * found[k] for k in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"
