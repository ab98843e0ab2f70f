"""open_clip models from local files: images in words for text-only students, and grounding in the evaluation."""

from model_adapters.eyes.describer import Describer
from model_adapters.eyes.grounding import Grounding
from model_adapters.eyes.tags import LabelGroup

__all__ = ["Describer", "Grounding", "LabelGroup"]
