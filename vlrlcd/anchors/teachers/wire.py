"""Requests and answers in the form of OpenAI's chat completions."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from vlrlcd.anchors.teachers.base import TeacherFault, TeacherReply
from vlrlcd.config import AskedConfig
from vlrlcd.data.example import Message
from vlrlcd.data.images import decode

JPEG_QUALITY = 90
MOST_TOKENS = 2**53
FILTERED = {"content_filter", "content_policy_violation"}
"""Error codes with which a server refuses one prompt, not all of them."""
FILTERED_REPLY = TeacherReply("", "content_filter", flags=("content_filter",))


def shown(settings: AskedConfig, messages: Sequence[Message]) -> list[Message]:
    """The messages with the policy on every image part that is part of the content key, or without images."""
    policy = {"max_side": settings.image_max_side, "jpeg": JPEG_QUALITY, "detail": settings.image_detail}
    return [{**message, "content": _shown_parts(settings, message["content"], policy)} for message in messages]


def sampling(settings: AskedConfig) -> dict[str, Any]:
    """What besides the messages decides the answer."""
    return {"max_tokens": settings.max_tokens, "temperature": settings.temperature, "extra": settings.extra_body}


def body(settings: AskedConfig, messages: Sequence[Message]) -> dict[str, Any]:
    """The JSON body of one request; images are decoded, turned upright, scaled and encoded here.

    Raises:
        UserError: an image cannot be decoded.
    """
    greedy = {} if settings.temperature is None else {"temperature": settings.temperature}
    return {
        "model": settings.model,
        "messages": [{**message, "content": [_sent(part) for part in message["content"]]} for message in messages],
        settings.max_tokens_field: settings.max_tokens,
        **greedy,
        **settings.extra_body,
    }


def reply(answer: Mapping[str, Any], section: str = "teacher") -> TeacherReply:
    """A chat completion as a reply; refusals and filtered answers are flagged, and so is one cut at max_tokens.

    Args:
        answer: the body.
        section: of the configuration, whose max_tokens a fault names.

    Raises:
        TeacherFault: nothing usable came back; `again` unless asking again would end in the same.
    """
    usage = _usage(answer.get("usage"))
    try:
        choice = answer["choices"][0]
        message, finish_reason = choice["message"], choice.get("finish_reason") or "unknown"
        content, refusal = message.get("content") or "", message.get("refusal") or ""
    except (KeyError, IndexError, TypeError, AttributeError):
        content = finish_reason = refusal = None
    if not all(isinstance(value, str) for value in (content, finish_reason, refusal)):
        raise TeacherFault(
            "unreadable answer", "the answer is no chat completion with a text", "again", usage=usage or None
        )
    flags = _flags(finish_reason, refusal)
    text = _whole_characters(content.strip() or refusal.strip())
    if not text and "cut" in flags:
        words = f"all of max_tokens went by before any text; raise {section}.max_tokens"
        raise TeacherFault("no room for text", words, "skip", usage=usage or None)
    if not text and not flags:
        raise TeacherFault("empty answer", "the answer was empty", "again", usage=usage or None)
    return TeacherReply(text, _whole_characters(finish_reason), usage, flags, _name(answer.get("model")))


def _usage(told: Any) -> dict[str, Any]:
    """Token counts, and of the details those that are counts; whatever else a server writes there is left out."""
    if not isinstance(told, Mapping):
        return {}
    counts = {name: value for name, value in told.items() if _is_count(value)}
    details = {name: _usage(value) for name, value in told.items() if isinstance(value, Mapping)}
    return {**counts, **{name: value for name, value in details.items() if value}}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS


def _name(value: Any) -> str:
    return _whole_characters(value) if isinstance(value, str) else ""


def _whole_characters(text: str) -> str:
    """The text with a mark in place of half a character, as an answer cut in an emoji may end in."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _flags(finish_reason: str, refusal: str) -> tuple[str, ...]:
    found = {
        "refusal": bool(refusal),
        "content_filter": finish_reason == "content_filter",
        "cut": finish_reason == "length",
    }
    return tuple(name for name, is_so in found.items() if is_so)


def _shown_parts(settings: AskedConfig, parts: Sequence[Mapping], policy: dict[str, Any]) -> list[dict[str, Any]]:
    kept = [part for part in parts if part["type"] != "image" or settings.images == "send"]
    return [{**part, "resize": policy} if part["type"] == "image" else dict(part) for part in kept]


def _sent(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] != "image":
        return dict(part)
    image = decode(part["image"])
    if side := part["resize"]["max_side"]:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    # Pillow writes what `info` holds (EXIF, XMP, comments) unless told otherwise
    image.info.clear()
    image.save(encoded, "JPEG", quality=part["resize"]["jpeg"])
    url = {"url": f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"}
    detail = part["resize"]["detail"]
    return {"type": "image_url", "image_url": url if detail == "auto" else {**url, "detail": detail}}
