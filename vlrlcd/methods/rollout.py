"""Drawing a method's candidates."""

from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group, fold
from vlrlcd.passes import in_order
from vlrlcd.sampling import SamplingSettings, uniforms


def look(engine: Engine, config: Config, groups: list[Group]) -> None:
    """Puts what the tower finds in the place of the groups' pixels; for a student that `looks_once`."""
    for part in in_order(groups, config.engine.prompts_per_pass):
        rows = [group.row for group in part]
        found = engine.run("look", engine.adapter.collate(rows))
        for group, row in zip(part, engine.adapter.seen(rows, found), strict=True):
            group.row = row


def sample_candidates(engine: Engine, config: Config, groups: list[Group], step: int | str, draws: int) -> None:
    """Fills `group.candidates` with so many of the student's own answers."""
    wanted = config.sampling
    settings = SamplingSettings(draws, wanted.max_new_tokens, wanted.temperature, wanted.top_p)
    drawn = uniforms(config.run.seed, step, [group.example.id for group in groups], settings)
    with engine.rollout():
        found = engine.sample([group.row for group in groups], settings, drawn, config.engine.prompts_per_pass)
    for group, own in zip(groups, found, strict=True):
        group.candidates = fold(own, engine.adapter.chat.decode, group.judge)
