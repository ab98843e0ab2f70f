"""What a step can come to grief over, told with the prompts that it happened on and the cure."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from vlrlcd import easing
from vlrlcd.config import Config
from vlrlcd.errors import UserError
from vlrlcd.group import Group
from vlrlcd.methods import Step
from vlrlcd.passes import size_of
from vlrlcd.processes import ranks

SHOWN_PROMPTS = 20
FULL = "can't allocate memory"
"""How torch says it of a CPU, in a plain RuntimeError."""


@contextmanager
def memory_told(config: Config, place: str, groups: list[Group], folder: Path) -> Iterator[None]:
    """Turns a want of memory into a sentence that names the largest group, and has a resumed run take smaller passes.

    Args:
        config: what the passes were limited by.
        place: the stage and the step.
        groups: this process's share of the step.
        folder: the run's.

    Raises:
        UserError: in the process that ran out.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and FULL not in str(error):
            raise
        largest, tokens = max(((group, _tokens(group)) for group in groups), key=lambda found: found[1])
        limit, now = easing.smaller(config.engine, tokens), config.engine
        kept = easing.keep(folder, limit)
        raise UserError(
            f"{place}: the memory is full. The largest prompt here is {largest.example.id} with {tokens} tokens, its "
            f"{len(largest.candidates)} candidates counted; a pass held up to {now.prompts_per_pass} prompts"
            f"{f' and {now.tokens_per_pass} tokens' if now.tokens_per_pass else ''}. A resumed run takes at most "
            f"{limit.prompts} prompts and {limit.tokens} tokens, with the same gradient ({kept} says so; delete it to "
            "take more again). If that is not enough: --model.activation_checkpointing=true, a higher ZeRO stage or "
            "offload (docs/scaling.md)."
        ) from error


def refuse_no_number(done: Step, stage: str, place: str, groups: list[Group], last_good: str) -> None:
    """Before the weights move: a loss that is no number, with the prompts that it came from. Collective.

    Args:
        done: the step's loss and samples.
        stage: whose learning rate it is.
        place: the stage and the step.
        groups: this process's share of the step.
        last_good: what the run can go back to.

    Raises:
        UserError: the same in every process.
    """
    if math.isfinite(done.figures["loss"]):
        return
    bad = [line["id"] for line in done.samples if not math.isfinite(line["preference_loss"] + line["kl"])]
    _diverged(f"{place}: the loss is {done.figures['loss']}", stage, bad, groups, last_good)


def finite_norm(
    norm: float | None, config: Config, stage: str, place: str, groups: list[Group], last_good: str
) -> float | None:
    """The norm of a gradient; None where there is none, or where loss scaling left the step out. Collective.

    Arguments and error as of `refuse_no_number`.
    """
    if norm is None or math.isfinite(norm):
        return norm
    if config.model.dtype != "float16":
        _diverged(f"{place}: the gradient's norm is {norm}", stage, [], groups, last_good)
    return None


def _diverged(said: str, stage: str, bad: list[str], groups: list[Group], last_good: str) -> None:
    ids = bad or ranks.collected([group.example.id for group in groups if group.weight])
    more = f" and {len(ids) - SHOWN_PROMPTS} more" if len(ids) > SHOWN_PROMPTS else ""
    raise UserError(
        f"{said}, with the prompts {', '.join(ids[:SHOWN_PROMPTS])}{more}; {last_good}. Look at these rows, and begin "
        f"a new run with a lower {stage}.learning_rate, or with model.dtype=float32 if this one was in half precision."
    )


def _tokens(group: Group) -> int:
    return size_of(group.row.ids, [candidate.tokens for candidate in group.candidates] or [group.anchor_tokens]).tokens
