"""The names of what an evaluation leaves: which split they are of, and which stage of a run."""

import re

from vlrlcd.evaluation.table import STAGE

OF_A_RUN = ("pretrained", "stage1", "stage2")
"""The stages at which a run evaluates, in their order."""
JUDGED, OTHER = "judged", "other"
"""The stage of judged answers whose file names none, and that of a second student beside the judged one."""
PREDICTIONS = re.compile(rf"predictions_(.+?)(?:_({'|'.join(OF_A_RUN)}))?\.jsonl", re.DOTALL)


def split_and_stage(name: str) -> tuple[str, str] | None:
    """Split and stage of a file `predictions_SPLIT_STAGE.jsonl`; None of any other name.

    A split may have an underscore. Where no stage of a run is named, it is an evaluation by itself.
    """
    match = PREDICTIONS.fullmatch(name)
    return match and (match[1], match[2] or STAGE)


def predictions_name(split: str, stage: str) -> str:
    """The name whose split and stage these are."""
    return f"predictions_{split}.jsonl" if stage == STAGE else f"predictions_{split}_{stage}.jsonl"
