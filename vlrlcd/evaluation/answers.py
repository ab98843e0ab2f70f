"""Greedy answers of a student, kept batch by batch, so that an interrupted evaluation goes on where it was."""

import fcntl
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from model_adapters import ModelAdapter, PromptRow
from vlrlcd.data.encode import encode
from vlrlcd.data.example import Example
from vlrlcd.data.prompts import Templates
from vlrlcd.errors import UserError
from vlrlcd.processes import ranks
from vlrlcd.processes.stopping import stop_if_asked
from vlrlcd.progress import progress
from vlrlcd.sampling import SamplingSettings

FIRST = b'{"settings": '
"""How a file of answers begins."""


@dataclass(frozen=True)
class Answer:
    """One greedy answer; `tokens` counts the end-of-answer token, which a truncated one does not have."""

    text: str
    tokens: int
    truncated: bool


class Student(Protocol):
    """Whoever answers: a student in training, or a checkpoint that is only asked."""

    adapter: ModelAdapter

    def rollout(self) -> AbstractContextManager:
        """Inside, answers are sampled."""

    def sample(self, rows: list[PromptRow], settings: SamplingSettings, uniforms_BKT: np.ndarray, width: int) -> list:
        """K draws per row, `width` rows at a time."""


class AnswerLog:
    """The answers of one student to one split: `answers/NAME.jsonl`, a first line of settings, then a line an answer.

    Only the first process has a file; what it holds is told to the others. Until `close` the file is this
    command's own.
    """

    def __init__(self, path: Path, settings: dict[str, Any]):
        """Opens the file or makes it; a half-written last line is cut off.

        Args:
            path: the file.
            settings: what the answers depend on; they must be the same if the file is there.

        Raises:
            UserError: it holds answers under other settings, or something else; or another command writes to it.
        """
        self.path = path
        self._file: BinaryIO | None = None
        self.known: dict[tuple[str, str], Answer] = ranks.once(lambda: self._opened(settings))

    def add(self, prompt: str, answers: dict[str, Answer]) -> None:
        """Keeps answers to a kind of prompt, by example id."""
        self.known |= {(prompt, example_id): answer for example_id, answer in answers.items()}
        if ranks.first():
            lines = [{"prompt": prompt, "id": example_id, **asdict(answer)} for example_id, answer in answers.items()]
            self._write(lines)

    def close(self) -> None:
        """Lets go of the file."""
        if self._file:
            self._file.close()

    def _opened(self, settings: dict[str, Any]) -> dict[tuple[str, str], Answer]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            self._lock()
            self._file.seek(0)
            content = self._file.read()
            # a kill while the file is made leaves it empty, or with a part of its first line
            if b"\n" not in content and FIRST.startswith(content[: len(FIRST)]):
                self._file.truncate(0)
                self._write([{"settings": settings}])
                return {}
            whole = content[: content.rfind(b"\n") + 1]
            known = self._read(whole, settings)
            self._file.truncate(len(whole))
            return known
        except BaseException:
            self.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{self.path} is being written by another command: wait until it ends, or give another --output."
            ) from None

    def _write(self, lines: list[dict[str, Any]]) -> None:
        self._file.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())
        self._file.flush()

    def _read(self, whole: bytes, settings: dict[str, Any]) -> dict[tuple[str, str], Answer]:
        try:
            first, *lines = [json.loads(line) for line in whole.decode().split("\n")[:-1]]
            self._compare(first["settings"], json.loads(json.dumps(settings)))
            return {
                (line["prompt"], line["id"]): Answer(line["text"], line["tokens"], line["truncated"]) for line in lines
            }
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.path} holds no answers of an evaluation ({error!r}): move it away.") from None

    def _compare(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        for key in now:
            if before.get(key) != now[key]:
                raise UserError(
                    f"{self.path} holds answers with {key} = {before.get(key)!r}, and now it is {now[key]!r}: give "
                    "another --output, or remove the file to answer anew."
                )


def answer(
    student: Student,
    templates: Templates,
    examples: Sequence[Example],
    prompt: str,
    log: AnswerLog,
    max_new_tokens: int,
    batch_size: int,
    asked_as: str = "",
) -> list[Answer]:
    """Greedy answers in the order of the examples, shared out over the processes; what the log has is not asked again.

    Args:
        student: answers.
        templates: of the data set.
        examples: whose images are still undecoded.
        prompt: the template, `student` or `direct`.
        log: keeps the answers.
        max_new_tokens: longest answer.
        batch_size: prompts decoded at once in each process.
        asked_as: the name in the log; empty is `prompt`.

    Raises:
        Stopped: a signal came.
    """
    name = asked_as or prompt
    settings = SamplingSettings(branches=1, max_new_tokens=max_new_tokens, temperature=0.0)
    size = batch_size * ranks.count()
    blocks = [examples[start : start + size] for start in range(0, len(examples), size)]
    # whole blocks, so that an answer does not depend on where an evaluation was interrupted
    todo = [block for block in blocks if any((name, example.id) not in log.known for example in block)]
    if todo:
        with student.rollout():
            for block in progress(todo, desc=f"{log.path.stem}: {name.replace('_', ' ')}", unit="batch"):
                stop_if_asked()
                log.add(name, _answered(student, templates, block, prompt, settings))
    return [log.known[name, example.id] for example in examples]


def _answered(
    student: Student, templates: Templates, block: Sequence[Example], prompt: str, settings: SamplingSettings
) -> dict[str, Answer]:
    own, real = ranks.own_share(block)
    rows = [encode(student.adapter, templates.render(prompt, example)) for example in own]
    draws = student.sample(rows, settings, np.zeros((len(own), 1, settings.max_new_tokens)), len(own))
    found = [Answer(student.adapter.chat.decode(row[0].ids), len(row[0].ids), row[0].truncated) for row in draws[:real]]
    return dict(zip((example.id for example in block), ranks.collected(found), strict=True))
