"""A teacher on this machine: any checkpoint that an adapter serves."""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from model_adapters import AdapterError, ModelAdapter, PromptRow, adapter_for
from vlrlcd.anchors.teachers.base import TeacherFault, TeacherReply
from vlrlcd.config import AskedConfig
from vlrlcd.data.encode import encode
from vlrlcd.data.example import Example, Message
from vlrlcd.errors import UserError
from vlrlcd.progress import progress

GATHER_S = 0.02
"""How long a batch waits for the prompts that are on their way to it."""
DECISIVE = ("safetensors", "json", "jinja", "model", "txt")
"""Endings of the files of a checkpoint that decide what it answers."""


class LocalTeacher:
    """Generates in batches of up to `concurrency` prompts; accelerate places the weights.

    Args:
        settings: checkpoint, placement, and how to generate.

    Raises:
        UserError: no checkpoint, or a name that cannot be one.
    """

    from_files, has_price = False, False

    def __init__(self, settings: AskedConfig):
        if not settings.model:
            section = settings.section
            raise UserError(f"{section}.kind=local needs {section}.model, the folder or hub id of its checkpoint.")
        self.settings, self.width = settings, settings.concurrency
        folder = Path(settings.model)
        if not folder.is_dir() and settings.model.count("/") != 1:
            raise UserError(
                f"{settings.section}.model={settings.model} is no folder, and no hub id (owner/name) either."
            )
        self.name = f"local:{folder.name if folder.is_dir() else settings.model}"
        self._waiting: list[tuple[PromptRow, asyncio.Future]] = []
        self._serving: asyncio.Task | None = None

    def shown(self, messages: Sequence[Message]) -> list[Message]:
        if self.settings.images == "send":
            return list(messages)
        return [{**m, "content": [part for part in m["content"] if part["type"] != "image"]} for m in messages]

    def sampling(self, example: Example) -> dict[str, Any]:
        """Two checkpoints of one name are two teachers."""
        settings = self.settings
        return {"max_tokens": settings.max_tokens, "temperature": settings.temperature, "weights": self._weights}

    def check(self) -> None:
        """Reads configuration and processor. Raises UserError if no adapter serves the checkpoint."""
        try:
            self._adapter = adapter_for(self.settings.model, self.settings.adapter)
        except AdapterError as error:
            raise UserError(f"{self.settings.section}.model: {error}") from None

    async def answer(self, example: Example, messages: Sequence[Message]) -> TeacherReply:
        row = await asyncio.to_thread(encode, self._adapter, list(messages))
        room = self._adapter.max_positions
        if len(row.ids) + self.settings.max_tokens > room:
            section = self.settings.section
            words = (
                f"{len(row.ids)} prompt tokens and {section}.max_tokens pass the {section}'s {room}; lower max_tokens"
            )
            raise TeacherFault("too long", words, "skip")
        answered = asyncio.get_running_loop().create_future()
        self._waiting.append((row, answered))
        self._serving = self._serving or asyncio.create_task(self._serve())
        return await answered

    async def close(self) -> None:
        if self._serving:
            await self._serving

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_S)
                batch, self._waiting = self._waiting[: self.width], self._waiting[self.width :]
                try:
                    replies = await asyncio.to_thread(self._generate, [row for row, _ in batch])
                except Exception as fault:
                    for _, answered in batch:
                        answered.set_exception(_named(fault, self.settings.section))
                else:
                    for (_, answered), reply in zip(batch, replies, strict=True):
                        answered.set_result(reply)
        finally:
            self._serving = None

    @torch.no_grad()
    def _generate(self, rows: list[PromptRow]) -> list[TeacherReply]:
        adapter, settings = self._loaded, self.settings
        batch = adapter.collate(rows).to(adapter.model.device)
        sampled = {"do_sample": True, "temperature": settings.temperature} if settings.temperature else {}
        ids_BL = adapter.model.generate(
            **adapter.stock_inputs(batch),
            max_new_tokens=settings.max_tokens,
            eos_token_id=list(adapter.stop_ids),
            pad_token_id=adapter.stop_ids[0],
            suppress_tokens=list(adapter.placeholder_ids) or None,
            **{"do_sample": False, **sampled},
        )
        answers = ids_BL[:, batch.ids_BP.shape[1] :].tolist()
        return [_reply(adapter, row, answer) for row, answer in zip(rows, answers, strict=True)]

    @cached_property
    def _loaded(self) -> ModelAdapter:
        settings = self.settings
        try:
            adapter = self._adapter.load_model(getattr(torch, settings.dtype), device_map=settings.device_map)
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{settings.section}.device_map={settings.device_map}: the {settings.section} cannot be placed "
                f"({reason})."
            ) from None
        adapter.model.eval()
        return adapter

    @cached_property
    def _weights(self) -> str:
        """SHA-256 hex over every file of the checkpoint that decides an answer; empty for a hub id.

        All bytes are read: two students of one run's kind differ in the middle of their weights only.
        """
        folder = Path(self.settings.model)
        files = [path for ending in DECISIVE for path in folder.glob(f"*.{ending}")] if folder.is_dir() else []
        digest = hashlib.sha256()
        for path in progress(sorted(files), desc=f"fingerprint of the {self.settings.section}", unit="file", delay=5):
            with path.open("rb") as file:
                digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest() if files else ""


def _reply(adapter: ModelAdapter, row: PromptRow, answer: list[int]) -> TeacherReply:
    end = next((place for place, token in enumerate(answer) if token in adapter.stop_ids), None)
    tokens = answer if end is None else answer[:end]
    usage = {
        "prompt_tokens": len(row.ids),
        "completion_tokens": len(tokens) + (end is not None),
        "prompt_tokens_details": {"image_tokens": row.image_tokens},
    }
    text = adapter.chat.decode(tokens).strip()
    if not text:
        raise TeacherFault("empty answer", "the answer was empty", "skip", usage=usage)
    return TeacherReply(text, "length" if end is None else "stop", usage, ("cut",) if end is None else ())


def _named(fault: Exception, section: str) -> Exception:
    if isinstance(fault, torch.OutOfMemoryError):
        return TeacherFault("out of memory", f"the {section} ran out of memory; lower {section}.concurrency", "stop")
    return fault
