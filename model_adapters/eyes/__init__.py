"""Eyes for text-only students: images in words, by open_clip models from local files."""

from model_adapters.eyes.describer import Describer
from model_adapters.eyes.tags import LabelGroup

__all__ = ["Describer", "LabelGroup"]
