"""Models that judge."""

import json
from pathlib import Path

from tests.tiny import tiny_llava


def tiny_judge(folder: Path) -> Path:
    """A tiny LLaVA with room for two answers and what is asked about them."""
    path = tiny_llava(folder) / "config.json"
    config = json.loads(path.read_text())
    config["text_config"]["max_position_embeddings"] = 4096
    path.write_text(json.dumps(config))
    return folder
