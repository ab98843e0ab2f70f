"""A comparison's file, and run folders as its cells leave them, with known scores."""

import json
from pathlib import Path

import yaml

from vlrlcd.comparison.cells import Cell, asked_folder, cells
from vlrlcd.comparison.plan import Comparison, load_comparison

PLAN = {
    "config": "configs/quickstart.yaml",
    "settings": {"run.trackers": []},
    "metrics": ["accuracy"],
    "regimes": {"few": {"data.train_limit": 8}, "many": {"data.train_limit": 0}},
    "rows": {
        "sft": {"stage2.method": "sft"},
        "longer": {"stage2.method": "sft_sft", "epochs_times": 2},
        "ldl": {"stage2.method": "ldl_grpo", "stage2.epochs": 3},
        "as_long": {"stage2.method": "sft_sft", "same_seconds": {"of": "ldl", "pace": "longer"}},
        "best": {"chosen": {"among": ["sft", "longer"], "settings": {"data.root": "elsewhere"}}},
    },
    "references": ["sft"],
    "contrasts": [["ldl", "longer"]],
    "seeds": {"1": {"run.seed": 1}, "2": {"run.seed": 2}},
    "trial": {"0": {"run.seed": 0}},
    "sweep": {
        "row": "ldl",
        "regimes": ["few"],
        "keys": {
            "stage2.beta": {"values": [0.0, 0.1]},
            "ranking.gamma": {"values": [2.0], "also": {"ranking.tau": 0.5}},
        },
    },
}


def write_plan(folder: Path, **changes) -> Path:
    """The file, with some of its keys changed; a key that becomes ... is left out."""
    content = {key: value for key, value in {**PLAN, **changes}.items() if value is not ...}
    path = folder / "tried.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def planned(folder: Path, **changes) -> tuple[Comparison, dict[str, Cell]]:
    """The comparison and its cells by name, the sweep's too; they lie in the folder."""
    plan = load_comparison(write_plan(folder, **changes))
    return plan, {cell.name: cell for cell in cells(plan, trial=False, with_sweep=True, root=folder)}


def write_cell(cell: Cell, scores, epochs: float | None = None, **facts) -> None:
    """A finished run with the score of each question in turn; `facts` overwrite those of run.json."""
    cell.folder.mkdir(parents=True)
    provenance = {"started": "2026-11-25 12:00:00", "commit": "abc1234", "machine": "a machine", "torch": "2.14.1"}
    config = cell.wanted(epochs)
    (cell.folder / "config.yaml").write_text(yaml.safe_dump({**config, "provenance": provenance}))
    trains = config["stage2"]["method"] != "sft"
    stage = {"optimiser_steps": 4, "candidates": 0, "judged": 0, "seconds": 10.0}
    spent = {"stage1": stage, **({"stage2": {**stage, "judged": 5, "seconds": 30.0}} if trains else {})}
    known = {"teacher": {"anchors": 8}, "peak_bytes": {"ram": 2**30}, "spent": spent, "tau": 0.25} | facts
    (cell.folder / "run.json").write_text(json.dumps(known))
    steps = [{"stage": "stage1", "loss": 1.0}, *({"stage": "stage2", "auc": auc} for auc in (0.5, None, 0.7))]
    _write_lines(cell.folder / "metrics.jsonl", steps if trains else steps[:1])
    write_answers(cell.folder / f"predictions_val_{'stage2' if trains else 'stage1'}.jsonl", scores)


def write_asked(cell: Cell, scores) -> None:
    """What a cell's student answered to the questions that choose."""
    folder = asked_folder(cell, PLAN["rows"]["best"]["chosen"]["settings"])
    folder.mkdir()
    (folder / "eval.json").write_text("{}")
    write_answers(folder / "predictions_val.jsonl", scores)


def write_answers(path: Path, scores) -> None:
    """`scores` in turn for q000, q001, …, or by question."""
    by_question = scores if isinstance(scores, dict) else {f"q{place:03}": value for place, value in enumerate(scores)}
    _write_lines(path, [{"id": question, "accuracy": value} for question, value in by_question.items()])


def _write_lines(path: Path, lines: list[dict]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
