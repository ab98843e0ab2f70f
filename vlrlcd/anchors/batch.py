"""OpenAI's batch files: requests written in shards, results read back under their content keys."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.asks import Ask
from vlrlcd.anchors.collector import Collection
from vlrlcd.anchors.ledger import ANSWERED, Ledger
from vlrlcd.anchors.prices import Prices
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import TeacherFault, TeacherReply, wire
from vlrlcd.config import TeacherConfig
from vlrlcd.errors import UserError
from vlrlcd.progress import progress

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000
"""What OpenAI takes in one file."""
URL = "/v1/chat/completions"
REQUESTS = "requests-"
READ_AT_ONCE = 500


def write_requests(
    asks: Sequence[Ask],
    settings: TeacherConfig,
    folder: Path,
    most_requests: int = MOST_REQUESTS,
    most_bytes: int = MOST_BYTES,
) -> list[Path]:
    """Writes `requests-001.jsonl`, ... into the folder; a shard is whole or not there.

    Args:
        asks: what is missing; `custom_id` is the content key.
        settings: of the teacher.
        folder: is made.
        most_requests: of one shard.
        most_bytes: of one shard.

    Raises:
        UserError: the folder holds request files already, it cannot be written, or one request alone is too large.
    """
    if next(folder.glob(f"{REQUESTS}*"), None):
        raise UserError(f"{folder} holds request files already: read their results first, or name another folder.")
    lines = (_line(ask, settings) for ask in progress(asks, desc="write requests", unit="request", delay=1))
    paths: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for shard in _shards(lines, most_requests, most_bytes):
            path = folder / f"{REQUESTS}{len(paths) + 1:03}.jsonl"
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                file.writelines(shard)
            partial.replace(path)
            paths.append(path)
    except OSError as error:
        raise UserError(f"{folder}: the requests cannot be written ({error.strerror}).") from None
    return paths


def read_results(
    place: Path, asks: Sequence[Ask], settings: TeacherConfig, store: AnchorStore, prices: Prices
) -> Collection:
    """Stores the answers of result and error files, each once, however often they are read.

    Args:
        place: a file, or a folder of them; request files in it are passed over.
        asks: everything that the configuration asks; other answers are counted as of `elsewhere` and left.
        settings: of the teacher.
        store: where the answers go.
        prices: batch prices are used.

    Raises:
        UserError: no file, or a line that is no batch result; what was read before is kept.
    """
    done = Collection()
    by_key = {ask.key: ask for ask in asks}
    for lines in _chunks(_results(place)):
        wanted = store.missing({line["custom_id"] for line in lines} & by_key.keys())
        done.elsewhere += sum(line["custom_id"] not in by_key for line in lines)
        anchors: list[Anchor] = []
        ledgers: dict[str, Ledger] = {}
        for line in lines:
            if line["custom_id"] in wanted:
                # each line has an account of its own, or a failed one would be counted whenever the file is read
                ledger = ledgers[f"batch {line.get('id')} {line['custom_id']}"] = Ledger()
                anchors += _anchor(line, by_key[line["custom_id"]], settings, prices, ledger, done)
        new = ledgers.keys() - store.accounted(ledgers)
        done.answered += store.put(*anchors, ledgers={name: ledgers[name] for name in new})
        for name in new:
            done.ledger.merge(ledgers[name])
    return done


def _chunks(lines: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Some lines at a time; those before a faulty one come first, then the fault."""
    chunk: list[dict[str, Any]] = []
    try:
        for line in lines:
            chunk.append(line)
            if len(chunk) == READ_AT_ONCE:
                yield chunk
                chunk = []
    except UserError:
        yield chunk
        raise
    yield chunk


def _anchor(
    line: Mapping[str, Any], ask: Ask, settings: TeacherConfig, prices: Prices, ledger: Ledger, done: Collection
) -> list[Anchor]:
    """The line's anchor, or none and why."""
    try:
        reply = _reply(line)
    except TeacherFault as fault:
        cost = prices.cost(settings.model, fault.usage, batch=True) if fault.usage else 0.0
        ledger.count(settings.model, fault.outcome, fault.usage, cost)
        done.given_up.append((ask.example.place, fault.words))
        return []
    cost = prices.cost(settings.model, reply.usage, batch=True)
    ledger.count(settings.model, ANSWERED, reply.usage, cost)
    return [ask.anchor(reply, settings.model, 0.0, cost)]


def _reply(line: Mapping[str, Any]) -> TeacherReply:
    response, error = line.get("response") or {}, line.get("error") or {}
    body = response.get("body") or {}
    status = response.get("status_code")
    if status == 200:
        return wire.reply(body)
    error = body.get("error") or error
    if wire.FILTERED & {error.get("code"), error.get("type")}:
        return wire.FILTERED_REPLY
    words = error.get("message") or error.get("code") or "no answer and no reason"
    raise TeacherFault(f"HTTP {status}" if status else str(error.get("code") or "no answer"), words, "skip")


def _line(ask: Ask, settings: TeacherConfig) -> bytes:
    request = {"custom_id": ask.key, "method": "POST", "url": URL, "body": wire.body(settings, ask.messages)}
    return json.dumps(request).encode() + b"\n"


def _shards(lines: Iterator[bytes], most_requests: int, most_bytes: int) -> Iterator[list[bytes]]:
    shard: list[bytes] = []
    size = 0
    for line in lines:
        if len(line) > most_bytes:
            raise UserError(
                f"one request has {len(line):,} bytes and a batch file takes {most_bytes:,}: lower "
                "teacher.image_max_side."
            )
        if shard and (len(shard) == most_requests or size + len(line) > most_bytes):
            yield shard
            shard, size = [], 0
        shard.append(line)
        size += len(line)
    if shard:
        yield shard


def _results(place: Path) -> Iterator[dict[str, Any]]:
    files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    files = [path for path in files if not path.name.startswith(REQUESTS)]
    if not files or not files[0].is_file():
        raise UserError(f"{place} holds no result files: give the .jsonl that the batch left, or its folder.")
    for path in files:
        try:
            with path.open(encoding="utf-8") as file:
                for number, text in enumerate(file, start=1):
                    if text.strip():
                        yield _result(f"{path}, line {number}", text)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read as a result file ({error}); fetch it again.") from None


def _result(place: str, text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        raise UserError(f"{place} is not valid JSON; fetch the file again. What stood before it is stored.") from None
    if not isinstance(line, dict) or not isinstance(line.get("custom_id"), str):
        raise UserError(f"{place} has no custom_id, so it is no result of a batch; name the right file.")
    response = line.get("response") or {}
    body = response.get("body") or {} if isinstance(response, dict) else None
    errors = [body.get("error") or {}, line.get("error") or {}] if isinstance(body, dict) else [None]
    if not all(isinstance(error, dict) for error in errors):
        raise UserError(f"{place}: response, body or error is no object, so it is no result of a batch.")
    return line
