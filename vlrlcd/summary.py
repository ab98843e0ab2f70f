"""What a person reads on the terminal: the plan before the work, the table after it."""

from pathlib import Path
from statistics import fmean

from vlrlcd.anchors.ledger import spending
from vlrlcd.config import Config, learning_rate
from vlrlcd.job import Job
from vlrlcd.processes import ranks
from vlrlcd.run_folder import RunFolder

COLUMNS = {
    "accuracy": "multiple choice",
    "direct_answer": "direct answer",
    "truthful_rationales": "true rationales",
    "claims_per_rationale": "claims",
}
PERCENT = {"accuracy", "direct_answer", "truthful_rationales", "gain_from_sight"}


def print_start(config: Config, job: Job, run: RunFolder) -> None:
    """Run, student, data, teacher calls."""
    print(f"run          {run.path}")
    print(f"student      {config.model.checkpoint} ({job.adapter.config.model_type}, {config.model.tuning})")
    if config.eyes.checkpoint:
        named = (config.eyes.checkpoint, config.eyes.captioner)
        print(f"eyes         {' and '.join(filter(None, named))}: the student is told its images in words")
    print(f"processes    {ranks.count()}, ZeRO stage {job.layout['ZeRO stage']} ({config.engine.deepspeed})")
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
    for part in trainable:
        shares = f"{part['trainable']:>14,} of {part['total']:>14,} parameters train"
        print(f"  {part['part']:<16} {part['tuning']:<8} {shares}")
    if sampling:
        print(f"  sampling {sampling}")


def print_results(run: RunFolder, job: Job, config: Config, page: Path) -> None:
    """The table: one line per stage, the last one blind, and by how much sight helps, paired by question."""
    stages = run.evaluation(job.card.name, config.evaluation.split)
    if stages:
        print(f"\n{job.card.title}, {config.evaluation.split}, 95 % intervals")
        print(f"{'':<18}" + "".join(f"{title:>25}" for title in COLUMNS.values()))
        for stage, found in stages.items():
            print(f"{stage:<18}" + "".join(f"{_cell(key, found.get(key)):>25}" for key in COLUMNS))
        last = list(stages.values())[-1]
        if "accuracy_blind" in last:
            print(f"{'stage2, blind':<18}{_cell('accuracy', last['accuracy_blind']):>25}")
            print(f"{'gain from sight':<18}{_cell('gain_from_sight', last.get('gain_from_sight')):>25}")
        if "majority" in last:
            print(f"{'majority answer':<18}{_cell('accuracy', last['majority']):>25}")
    aucs = [value for value in run.logged("stage2", "auc") if value is not None]
    if aucs:
        print(f"\nself-ranking  within-group AUC against correctness {fmean(aucs):.3f}, mean of {len(aucs)} steps")
    print(f"\nstudent      {run.path / 'student'}\nreport       {page}")


def _cell(key: str, found: dict | None) -> str:
    if not found or found["value"] is None:
        return "-"
    scale, digits = (100, 1) if key in PERCENT else (1, 2)
    value, low, high = (found[k] * scale for k in ("value", "low", "high"))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
