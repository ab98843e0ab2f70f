"""After a full memory a run goes on with smaller passes: what one attempt learned, the next one keeps.

The gradient is the same however a step is cut into passes, so nothing else changes (`vlrlcd/methods/gradient.py`).
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

from vlrlcd.config import Config, EngineConfig
from vlrlcd.files import write_whole
from vlrlcd.passes import PassLimit
from vlrlcd.processes import ranks

EASED = "passes.json"
"""In the run's folder: the limits that the next attempt goes by."""


def smaller(engine: EngineConfig, tokens: int) -> PassLimit:
    """Half of what a pass held.

    Args:
        engine: the limits that were too much.
        tokens: of the largest group, what a pass was sure to hold where tokens had no limit.
    """
    most = engine.tokens_per_pass or 2 * tokens
    return PassLimit(max(1, engine.prompts_per_pass // 2), max(1, most // 2))


def keep(folder: Path, limit: PassLimit) -> Path:
    """Writes the limits down in one step, from whichever process ran out, or from several at once."""
    write_whole(path := folder / EASED, json.dumps(asdict(limit)) + "\n", writer=f".{ranks.rank()}")
    return path


def eased(config: Config, folder: Path) -> Config:
    """The configuration with the limits that an earlier attempt left behind, where they are smaller."""
    path = folder / EASED
    if not path.exists():
        return config
    engine, kept = config.engine, PassLimit(**json.loads(path.read_text(encoding="utf-8")))
    tokens = min(engine.tokens_per_pass or kept.tokens, kept.tokens)
    limits = {"prompts_per_pass": min(engine.prompts_per_pass, kept.prompts), "tokens_per_pass": tokens}
    return replace(config, engine=replace(engine, **limits))
