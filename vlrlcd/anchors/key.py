"""The content key of an anchor: what was asked of whom, and nothing about how it was delivered."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from vlrlcd.data.example import Message
from vlrlcd.data.images import content_hash

KEY_VERSION = 1


def canonical_request(
    model: str, messages: Sequence[Message], sampling: Mapping[str, Any], sample_index: int = 0
) -> str:
    """The request as canonical JSON; equal requests are equal strings.

    Args:
        model: the teacher's name.
        messages: images stand for their source bytes; an image part may name a `"resize"` policy.
        sampling: whatever besides the messages decides the answer (temperature, max tokens, …).
        sample_index: tells several answers to one request apart.

    Raises:
        OSError: an image file cannot be read.
        TypeError, ValueError: `sampling` holds something JSON has no form for.
    """
    request = {
        "version": KEY_VERSION,
        "model": model,
        "messages": [_canonical_message(message) for message in messages],
        "sampling": sampling,
        "sample_index": sample_index,
    }
    return json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def request_key(request: str) -> str:
    """SHA-256 hex of a canonical request."""
    return hashlib.sha256(request.encode()).hexdigest()


def _canonical_message(message: Message) -> dict[str, Any]:
    return {"role": message["role"], "content": [_canonical_part(part) for part in message["content"]]}


def _canonical_part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] != "image":
        return dict(part)
    # Encoders differ between Pillow versions, source bytes do not: a re-encoded image must not be paid for twice.
    return {"type": "image", "image": {"sha256": content_hash(part["image"]), "resize": part.get("resize")}}
