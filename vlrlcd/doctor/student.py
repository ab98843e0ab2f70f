"""The student: what it is, what trains, and whether prompts go through it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from huggingface_hub import try_to_load_from_cache
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, WEIGHTS_INDEX_NAME, WEIGHTS_NAME

from model_adapters import PromptRow
from vlrlcd.data.descriptions import check_eyes
from vlrlcd.data.encode import encode
from vlrlcd.data.example import Example
from vlrlcd.doctor.machine import free_memory
from vlrlcd.doctor.remarks import FAULT, NOT_DONE, OK, NotThere, Remark, attempted
from vlrlcd.errors import UserError
from vlrlcd.head import token_logps
from vlrlcd.job import judge_words
from vlrlcd.planner import GIB, USABLE
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.student import DTYPES, part_tuning, student_adapter
from vlrlcd.summary import trainable_lines

if TYPE_CHECKING:
    from vlrlcd.doctor.pieces import Pieces

MOST_ROWS = 4
"""Of the batch that is tried."""
WEIGHTS = (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, WEIGHTS_NAME, WEIGHTS_INDEX_NAME)


def student(pieces: "Pieces") -> Iterator[Remark]:
    """The checkpoint's configuration, processor and chat template, and whether its weights are there."""
    config, adapter = pieces.config, pieces.adapter
    sees = "sees images" if adapter.sees_images else "reads text only"
    name = f"{adapter.checkpoint} ({adapter.config.model_type}, {type(adapter).__name__})"
    yield Remark(OK, f"{name} {sees}, {adapter.max_positions:,} positions")
    yield from attempted(lambda: part_tuning(adapter, config.model), lambda: check_eyes(config, adapter))
    if Path(adapter.checkpoint).is_dir() and not weights_here(adapter.checkpoint):
        yield Remark(FAULT, f"{adapter.checkpoint} holds no weights ({SAFE_WEIGHTS_NAME}): fetch the checkpoint again")


def weights_here(checkpoint: str) -> bool:
    """Whether weights lie in the checkpoint's folder, or in the cache for a hub id; nothing is fetched."""
    if Path(checkpoint).is_dir():
        return any((Path(checkpoint) / name).is_file() for name in WEIGHTS)
    return any(isinstance(try_to_load_from_cache(checkpoint, name), str) for name in WEIGHTS)


def words(pieces: "Pieces") -> Iterator[Remark]:
    """The tokens that the scorer would read."""
    config, adapter = pieces.config, pieces.adapter
    found = judge_words(config, adapter)
    if not found:
        yield Remark(OK, f"ranking.scorer={config.ranking.scorer} with {config.stage2.method} reads no single tokens")
    for ids in found:
        shown = ", ".join(f"{adapter.tokenizer.decode([token])!r} ({token})" for token in ids)
        yield Remark(OK, f"reads {shown}")


def trainable(pieces: "Pieces") -> Iterator[Remark]:
    """What would train, part by part, from the checkpoint's configuration alone."""
    for line in trainable_lines(pieces.skeleton.trainable_table()):
        yield Remark(OK, line)


def batch(pieces: "Pieces") -> Iterator[Remark]:
    """Real rows, the longest among them, encoded and put together as training does."""
    adapter, rows = pieces.adapter, [row for _, row in _tried(pieces)]
    found = adapter.collate(rows)
    shapes = "".join(f", {name} {list(tensor.shape)}" for name, tensor in found.images.items())
    image = sum(row.image_tokens for row in rows)
    yield Remark(OK, f"{len(rows)} rows: ids {list(found.ids_BP.shape)}{shapes}, {image:,} image tokens")


def forward(pieces: "Pieces") -> Iterator[Remark]:
    """The same rows through the weights, where there is room for them: log-probs of answers must be finite."""
    adapter, dtype = pieces.adapter, DTYPES[pieces.config.model.dtype]
    if not weights_here(adapter.checkpoint):
        yield Remark(NOT_DONE, f"no weights of {adapter.checkpoint} are on this machine")
        return
    size = dtype.itemsize * sum(part["total"] for part in pieces.skeleton.trainable_table())
    if size > USABLE * (free := free_memory()):
        yield Remark(NOT_DONE, f"{size / GIB:,.1f} GiB of weights, {free / GIB:,.1f} free")
        return
    loaded = student_adapter(pieces.config.model).load_model(dtype)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loaded.model.to(device).eval()
    tried = _tried(pieces)
    branches = pack([[loaded.encode_answer(_answer(pieces, example))] for example, _ in tried]).to(device)
    with torch.no_grad():
        states_NH = predicting_states(loaded, loaded.collate([row for _, row in tried]).to(device), branches)
        logps_N = token_logps(loaded, states_NH, branches.target_N)
    if not logps_N.isfinite().all():
        yield Remark(FAULT, f"{int((~logps_N.isfinite()).sum())} of {len(logps_N)} log-probs are not finite")
        return
    words = f"{len(logps_N)} log-probs of {len(tried)} answers are finite, {logps_N.mean():.2f} nats a token"
    yield Remark(OK, f"{words} ({device.type}, {pieces.config.model.dtype})")


def _tried(pieces: "Pieces") -> list[tuple[Example, PromptRow]]:
    """The longest prompt and the first ones."""
    fitting = {length.place: length.tokens for length in pieces.lengths[0]}
    rows = [row for row in pieces.usable(pieces.train.examples) if row.place in fitting]
    rows = sorted(rows, key=lambda row: fitting[row.place] == max(fitting.values()), reverse=True)
    rows = rows[: min(pieces.config.engine.prompts_per_pass, MOST_ROWS)]
    if not rows:
        raise NotThere("a training row that can be encoded")
    return [(row, encode(pieces.adapter, pieces.templates.render("student", row))) for row in rows]


def _answer(pieces: "Pieces", example: Example) -> str:
    """The row's anchor, or what stands for one."""
    try:
        return pieces.anchors.texts.get(example.id, "Yes.")
    except (NotThere, UserError):
        return "Yes."
