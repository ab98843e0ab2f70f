"""The stages that figures are of: their order, their titles, and which of them are what a folder is about."""

from collections.abc import Mapping
from typing import TypeVar

from vlrlcd.evaluation.stages import JUDGED, OF_A_RUN
from vlrlcd.evaluation.table import STAGE
from vlrlcd.report.wording import STAGES, plain

OWN = (OF_A_RUN, (STAGE,), (JUDGED,))
"""What a folder is about: the first of these of which a stage is there. Whatever else is there came from elsewhere."""
Of = TypeVar("Of")


def own(by_stage: Mapping[str, Of]) -> dict[str, Of]:
    """The stages that headline figures, cards and warnings are of: no second student, nothing beside those of a run."""
    found = ({stage: by_stage[stage] for stage in stages if stage in by_stage} for stages in OWN)
    return next(filter(None, found), {})


def stage_order(stage: str) -> tuple[int, str]:
    """Sorts stages as they come in a run, any others after them."""
    return (OF_A_RUN.index(stage) if stage in OF_A_RUN else len(OF_A_RUN), stage)


def stage_title(stage: str) -> str:
    """`After stage 2`."""
    return STAGES.get(stage, plain(stage))
