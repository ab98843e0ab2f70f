"""What memory the configuration takes, under every ZeRO stage, by `vlrlcd.planner`'s arithmetic."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vlrlcd.doctor.machine import device_memory
from vlrlcd.doctor.remarks import OK, WARNING, NotThere, Remark
from vlrlcd.engine.deepspeed_json import SHIPPED, read_deepspeed_json
from vlrlcd.errors import UserError
from vlrlcd.methods import METHODS
from vlrlcd.planner import GIB, MOST, Decoder, Plan, Sharding, Weights, Work
from vlrlcd.student import DTYPES, Student

if TYPE_CHECKING:
    from vlrlcd.doctor.pieces import Pieces

SHEETS = ("zero0", "zero1", "zero2", "zero2_offload", "zero3", "zero3_offload")
"""Of configs/deepspeed: each divides more among the processes, or moves more to the CPU, than the one before."""


def memory(pieces: "Pieces") -> Iterator[Remark]:
    """A line per ZeRO stage, then whether the configuration fits, and what would help."""
    plan, work = plan_of(pieces), work_of(pieces)
    room, of = device_memory(pieces.processes)
    passed = f"{work.prompts} prompt(s) of {work.prompt:,} tokens with {work.candidates} x {work.answer:,}"
    yield Remark(OK, f"computed, not measured: {passed} at once in each of {pieces.processes} process(es)")
    yield Remark(OK, f"{room / GIB:,.1f} GiB: {of}; a tenth of it is left free")
    draws = _draws(pieces)
    sheets = {name: read_deepspeed_json(SHIPPED / f"{name}.json") for name in SHEETS}
    for name, settings in sheets.items():
        yield Remark(OK, _line(name, plan, Sharding.of(settings, pieces.processes), work, room, draws))
    by = Sharding.of(pieces.settings, pieces.processes)
    yield Remark(OK, _line("as configured", plan, by, work, room, draws))
    if not plan.fits(by, work, room):
        yield Remark(WARNING, f"it does not fit as configured{_cure(plan, by, work, room, sheets, pieces.processes)}")
    elif draws:
        yield Remark(OK, _more(plan, by, work, room))


def plan_of(pieces: "Pieces") -> Plan:
    """Of the student in stage II."""
    skeleton, settings = pieces.skeleton, pieces.config.model
    sizes = pieces.adapter.config.get_text_config()
    heads = getattr(sizes, "num_key_value_heads", None) or sizes.num_attention_heads
    width = getattr(sizes, "head_dim", None) or sizes.hidden_size // sizes.num_attention_heads
    decoder = Decoder(
        sizes.num_hidden_layers,
        sizes.hidden_size,
        getattr(sizes, "intermediate_size", None) or 4 * sizes.hidden_size,
        heads * width,
        sizes.vocab_size,
    )
    return Plan(_weights(skeleton), decoder, DTYPES[settings.dtype].itemsize, settings.activation_checkpointing)


def work_of(pieces: "Pieces") -> Work:
    """The largest passes: every prompt as long as the longest, every answer as long as may be."""
    config, lengths = pieces.config, pieces.lengths[0]
    if not lengths:
        raise NotThere("a row that can be encoded")
    engine, longest = config.engine, max(length.tokens for length in lengths)
    share = math.ceil(config.stage2.prompts_per_step / pieces.processes)
    try:
        asked = math.ceil(len(pieces.held_out.examples) / pieces.processes)
    except (NotThere, UserError):
        asked = 0
    return Work(
        longest,
        config.sampling.max_new_tokens,
        config.sampling.candidates if _draws(pieces) else 1,
        min(engine.prompts_per_pass, share),
        engine.tokens_per_pass,
        min(config.evaluation.prompts_per_pass, asked),
    )


def _draws(pieces: "Pieces") -> bool:
    """Whether the method draws K candidates of a prompt."""
    method = METHODS[pieces.config.stage2.method]
    return bool(method and method.supervision and method.supervision.draws_all)


def _weights(student: Student) -> Weights:
    reference = list(student.reference.model.parameters()) if student.reference else []
    trained = sum(p.numel() for p in student.parameters() if p.requires_grad)
    whole, copied = (sum(p.numel() for p in found) for found in (student.parameters(), reference))
    return Weights(trained, whole - trained - copied, copied)


def _line(name: str, plan: Plan, by: Sharding, work: Work, room: float, draws: bool) -> str:
    host = plan.state(by)[1]
    beside = f" and {host / GIB:,.2f} of CPU memory" if host else ""
    verdict = "fits" if plan.fits(by, work, room) else "does not fit"
    largest = f", K up to {_k(plan.largest_k(by, work, room))}" if draws else ""
    return f"{name:<14} {plan.device(by, work) / GIB:>8,.2f} GiB{beside}: {verdict}{largest}"


def _k(largest: int) -> str:
    return f"{MOST:,} and more" if largest == MOST else f"{largest:,}"


def _cure(plan: Plan, by: Sharding, work: Work, room: float, sheets: dict[str, dict[str, Any]], processes: int) -> str:
    """What would make it fit, the cheapest first."""
    if limit := plan.largest_limit(by, work, room):
        return f": engine.tokens_per_pass={limit} or less would do"
    if plan.fits(by, one := replace(work, prompts=1, asked=min(work.asked, 1)), room):
        return ": engine.prompts_per_pass=1 and evaluation.prompts_per_pass=1 would do, tokens_per_pass would not"
    if limit := plan.largest_limit(by, one, room):
        return f": engine.prompts_per_pass=1, evaluation.prompts_per_pass=1 and engine.tokens_per_pass={limit} would do"
    for name, settings in sheets.items():
        if plan.fits(Sharding.of(settings, processes), work, room):
            return f", and no engine.tokens_per_pass helps: engine.deepspeed=configs/deepspeed/{name}.json would do"
    return f", and neither engine.tokens_per_pass nor another ZeRO stage helps: take more GPUs than {processes}"


def _more(plan: Plan, by: Sharding, work: Work, room: float) -> str:
    """What tokens_per_pass would do for K."""
    now = plan.largest_k(by, work, room)
    then = plan.largest_k(by, least := replace(work, limit=work.smallest), room)
    if then <= now:
        return "engine.tokens_per_pass would allow no larger K"
    return f"engine.tokens_per_pass={least.limit} would allow K up to {_k(then)}, for one more forward pass of a step"
