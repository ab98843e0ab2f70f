"""`Anchor`: a stored answer, and its form as plain values."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any


def now() -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Anchor:
    """A teacher's answer to one request.

    Attributes:
        key: SHA-256 hex of `request`.
        model: the teacher that was asked.
        request: the canonical JSON, see `vlrlcd.anchors.key`.
        text: the answer.
        finish_reason: as the teacher named it.
        usage: token counts as the teacher reported them.
        flags: why it is not to be trained on (`"refusal"`, `"content_filter"`, `"cut"`).
        created: ISO 8601 in UTC.
        latency_s: seconds that the successful request took.
        cost_usd: None where no price is known.
        answered_by: the model that the server says answered, where it says so.
    """

    key: str
    model: str
    request: str
    text: str
    finish_reason: str = "stop"
    usage: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    created: str = field(default_factory=now)
    latency_s: float = 0.0
    cost_usd: float | None = None
    answered_by: str = ""

    def to_row(self) -> tuple[Any, ...]:
        """The values of `COLUMNS`; usage and flags as JSON."""
        plain = {**vars(self), "usage": json.dumps(self.usage), "flags": json.dumps(self.flags)}
        return tuple(plain[name] for name in COLUMNS)

    @property
    def digest(self) -> str:
        """SHA-256 hex over all of it, which tells whether a stored row was changed."""
        return hashlib.sha256(json.dumps(self.to_row(), ensure_ascii=False).encode()).hexdigest()

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> "Anchor":
        """The anchor of a row of `COLUMNS`. Raises ValueError or TypeError if usage or flags are no JSON."""
        return cls.from_plain(dict(zip(COLUMNS, row, strict=True)))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Anchor":
        """The anchor of its columns by name; usage and flags are JSON."""
        return cls(**{**plain, "usage": json.loads(plain["usage"]), "flags": tuple(json.loads(plain["flags"]))})


COLUMNS = tuple(item.name for item in fields(Anchor))
