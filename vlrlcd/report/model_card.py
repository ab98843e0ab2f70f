"""`student/README.md`: the model card, with the fields that the Hugging Face hub reads."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from vlrlcd.data.card import Card
from vlrlcd.evaluation.stages import OF_A_RUN
from vlrlcd.report.read import Run, mapping, number, read_run

TEMPLATE = Path(__file__).parent / "templates" / "model_card.md"
UNKNOWN_LICENCE = {"license": "other", "license_name": "see-base-model", "license_link": "LICENSE"}
"""Of a run, the last first; other commands may add stages to its eval.json."""
TASKS = {True: "image-text-to-text", False: "text-generation"}
SHOWN = {
    "accuracy": "Accuracy",
    "direct_answer": "Direct answer (official rule)",
    "gain_from_sight": "Gain in {headline} from sight",
    "truthful_rationales": "Explanations that are true of the drawing",
    "rouge_l": "ROUGE-L of explanations",
    "chrf": "chrF of explanations",
    "win_rate": "Win rate against the reference",
    "win_rate_length_controlled": "Win rate, length-controlled",
}
IN_HUNDREDTHS = {"chrf"}
"""Figures that are percentages already."""


def write_model_card(run_folder: Path, data: Card, sees_images: bool) -> Path:
    """Writes the card of a finished run's student from what the run left.

    Args:
        run_folder: with `student/` in it.
        data: the data set's card, for its title and licence.
        sees_images: whether the student does.

    Returns:
        The card's path.
    """
    run = read_run(run_folder)
    base = str(mapping(run.config.get("model")).get("checkpoint", ""))
    figures = _figures(run)
    facts = ModelCardData(
        **_licence(base),
        base_model=base if _is_hub_id(base) else None,
        datasets=[root] if _is_hub_id(root := str(mapping(run.config.get("data")).get("root", ""))) else None,
        library_name="transformers",
        pipeline_tag=TASKS[sees_images],
        tags=["vlrlcd", "distillation", "preference-optimization"],
        model_name=str(run.summary.get("name") or run_folder.name),
        eval_results=[_result(data, *figure) for figure in figures] or None,
    )
    card = ModelCard.from_template(
        facts,
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        name=facts.model_name,
        base=base,
        data=data,
        config=run.config,
        teacher=mapping(run.summary.get("teacher")),
        figures=[(title, split, *_said(name, found)) for split, name, title, found in figures],
        pipeline=facts.pipeline_tag,
    )
    path = run_folder / "student" / "README.md"
    card.save(path)
    return path


def _figures(run: Run) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(split, metric, title, its value and interval) of the run's last stage that was evaluated."""
    found = []
    for splits in run.evaluation.values():
        for split, stages in mapping(splits).items():
            last = next((mapping(stages)[stage] for stage in reversed(OF_A_RUN) if stage in mapping(stages)), None)
            for name, title in SHOWN.items():
                figure = mapping(mapping(last).get(name))
                if number(figure.get("value")) is not None:
                    headline = "accuracy" if "accuracy" in last else "ROUGE-L"
                    found.append((split, name, title.format(headline=headline), figure))
    return found


def _result(data: Card, split: str, name: str, title: str, found: dict[str, Any]) -> EvalResult:
    return EvalResult(
        task_type="visual-question-answering",
        dataset_type=data.name,
        dataset_name=data.title,
        dataset_split=split,
        metric_type=name,
        metric_name=title,
        metric_value=round(found["value"], 4),
    )


def _said(name: str, found: dict[str, Any]) -> tuple[str, str]:
    scale = 1 if name in IN_HUNDREDTHS else 100
    value, *ends = (number(found.get(key)) for key in ("value", "low", "high"))
    return f"{scale * value:.1f}", "-" if None in ends else " to ".join(f"{scale * end:.1f}" for end in ends)


def _licence(base: str) -> dict[str, Any]:
    """The base model's, where its own card lies beside it."""
    card = Path(base) / "README.md"
    facts = ModelCard.load(card, ignore_metadata_errors=True).data.to_dict() if card.is_file() else {}
    known = {key: facts[key] for key in UNKNOWN_LICENCE if facts.get(key)}
    return known or UNKNOWN_LICENCE


def _is_hub_id(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).is_dir()
