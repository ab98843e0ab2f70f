"""What goes through the model at once: at most so many prompts, and so many tokens with their padding."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlrlcd.config import EngineConfig
from vlrlcd.group import Group
from vlrlcd.prefix_branches import Tokens
from vlrlcd.processes import ranks


@dataclass(frozen=True)
class PassLimit:
    """Rows of a pass, and its tokens with padding; 0 tokens is no limit."""

    prompts: int
    tokens: int = 0

    @classmethod
    def of(cls, engine: EngineConfig) -> "PassLimit":
        return cls(engine.prompts_per_pass, engine.tokens_per_pass)


@dataclass(frozen=True)
class Size:
    """Tokens of a row: of its prefix, and those that its branches feed."""

    prefix: int
    branches: int

    @property
    def tokens(self) -> int:
        return self.prefix + self.branches


@dataclass(frozen=True)
class Piece:
    """Candidates `start` to `stop` of one group, given by its place: all of them, or as many as fit."""

    group: int
    start: int
    stop: int
    size: Size


def in_order(items: list, prompts: int) -> list[list]:
    """The items in runs of at most `prompts`."""
    return [items[start : start + prompts] for start in range(0, len(items), prompts)]


def size_of(prefix: Sequence[int], branches: Sequence[Tokens]) -> Size:
    """Of a row; the last token of a branch is only predicted."""
    return Size(len(prefix), sum(len(tokens) - 1 for tokens in branches))


def packed(sizes: Sequence[Size], limit: PassLimit) -> list[list[int]]:
    """The places of the rows of each pass, like lengths together; a row that alone has too many tokens goes alone.

    Collective. Every process runs as many passes: who would need fewer has smaller ones, or empty ones where it has no
    more rows.
    """
    parts: list[list[int]] = []
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place].tokens):
        together = [*(parts[-1] if parts else []), place]
        fits = not limit.tokens or _padded([sizes[i] for i in together]) <= limit.tokens
        if parts and len(together) <= limit.prompts and fits:
            parts[-1].append(place)
        else:
            parts.append([place])
    return _as_many(parts, int(ranks.largest(len(parts))))


def pieces(groups: list[Group], limit: PassLimit) -> list[Piece]:
    """Every group whole, or in runs of candidates that fit; of a run that cannot fit, one candidate."""
    found = []
    for place, group in enumerate(groups):
        start, answers = 0, [candidate.tokens for candidate in group.candidates]
        for stop in range(1, len(answers) + 1):
            following = size_of(group.row.ids, answers[start : stop + 1])
            if stop == len(answers) or (limit.tokens and following.tokens > limit.tokens):
                found.append(Piece(place, start, stop, size_of(group.row.ids, answers[start:stop])))
                start = stop
    return found


def _padded(sizes: list[Size]) -> int:
    return len(sizes) * (max(size.prefix for size in sizes) + max(size.branches for size in sizes))


def _as_many(parts: list[list[int]], wanted: int) -> list[list[int]]:
    while len(parts) < wanted:
        widest = max(parts, key=len)
        half = len(widest) // 2
        parts.append(widest[len(widest) - half :])
        del widest[len(widest) - half :]
    return parts
