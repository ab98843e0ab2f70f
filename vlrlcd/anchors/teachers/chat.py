"""A teacher behind an OpenAI-compatible chat endpoint."""

import asyncio
import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from vlrlcd.anchors.teachers import wire
from vlrlcd.anchors.teachers.access import Access, access
from vlrlcd.anchors.teachers.base import CONNECTION, TeacherFault, TeacherReply
from vlrlcd.config import AskedConfig
from vlrlcd.data.example import Example, Message
from vlrlcd.errors import UserError

PASSING = {408, 409, 425, 429}
"""Statuses below 500 that another try may get past."""
NEEDED_HEADERS = {"host", "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type"}
RESERVED = {"model", "messages", "stream", "n"}
ABOUT_ONE_PROMPT = {
    *("context_length_exceeded", "string_above_max_length"),
    *("image_parse_error", "invalid_image", "invalid_image_format", "invalid_image_url", "image_too_large"),
}
"""Error codes that mean this prompt and no other."""
HINTS = {
    401: " (check the key)",
    403: " (check the key)",
    404: " (check {section}.base_url, up to and with /v1, and {section}.model)",
}
OUT_OF_MONEY = "insufficient_quota"
LONGEST_MESSAGE = 500


class ChatTeacher:
    """Asked over HTTP through the `openai` client. Retries are the collector's, who also counts them.

    Args:
        settings: model, endpoint, and how to ask.

    Raises:
        UserError: no model name, or an `extra_body` that changes what is asked.
    """

    from_files, has_price = False, True

    def __init__(self, settings: AskedConfig):
        if not settings.model:
            raise UserError(
                f"{settings.section}.kind=chat needs {settings.section}.model, the model's name at the endpoint."
            )
        self.settings, self.name, self.width = settings, settings.model, settings.concurrency
        if taken := sorted(RESERVED & settings.extra_body.keys()):
            raise UserError(
                f"{settings.section}.extra_body must not hold {', '.join(taken)}: vlrlcd sets what it is asked."
            )
        self._access: Access | None = None
        self._client: openai.AsyncOpenAI | None = None

    def shown(self, messages: Sequence[Message]) -> list[Message]:
        return wire.shown(self.settings, messages)

    def sampling(self, example: Example) -> dict[str, Any]:
        return wire.sampling(self.settings)

    def check(self) -> None:
        """Finds address and key. Raises UserError, see `access`; training, which asks nobody, needs neither."""
        self._access = access(self.settings)

    async def answer(self, example: Example, messages: Sequence[Message]) -> TeacherReply:
        body = await asyncio.to_thread(wire.body, self.settings, messages)
        try:
            # a body that drips in would never trip a limit on the time between two bytes
            async with asyncio.timeout(self.settings.timeout_s):
                content = await self._post(body)
        except (TimeoutError, openai.APITimeoutError):
            words = f"no whole answer within {self.settings.section}.timeout_s={self.settings.timeout_s:g}"
            raise TeacherFault("time-out", words, "again", usage=None) from None
        except openai.APIStatusError as fault:
            return self._from_status(fault)
        except openai.APIConnectionError as fault:
            words = self._hidden(f"{self.settings.base_url} cannot be reached ({fault.__cause__ or fault})")
            # where there was no connection at all, nothing can have been billed
            sent = not isinstance(fault.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise TeacherFault(CONNECTION, words, "again", usage=None if sent else {}) from None
        try:
            answer = json.loads(content)
        except ValueError:
            raise TeacherFault("unreadable answer", "the answer was no whole JSON", "again", usage=None) from None
        return wire.reply(answer if isinstance(answer, dict) else {}, self.settings.section)

    async def models(self, timeout_s: float) -> list[str]:
        """The names of the models that the endpoint says it has; asking that costs nothing.

        Raises:
            UserError: no key where one is needed, see `access`.
            TeacherFault: the endpoint cannot be reached, or refuses.
        """
        client = self._connected()
        try:
            async with asyncio.timeout(timeout_s):
                response = await client.get("/models", cast_to=httpx2.Response)
            return _names(response.content)
        except (TimeoutError, openai.APITimeoutError):
            words = f"{self.settings.base_url} does not answer within {timeout_s:g} s"
            raise TeacherFault("time-out", words, "again") from None
        except openai.APIStatusError as fault:
            self._from_status(fault)
            return []
        except openai.APIConnectionError as fault:
            words = self._hidden(f"{self.settings.base_url} cannot be reached ({fault.__cause__ or fault})")
            raise TeacherFault(CONNECTION, words, "again") from None
        finally:
            await client.close()

    async def close(self) -> None:
        if self._client:
            await self._client.close()
            self._client = None

    async def _post(self, body: dict[str, Any]) -> bytes:
        client = self._client = self._client or self._connected()
        # the typed method spends more time on looking over the body than the rest of the client on sending it
        response = await client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        return response.content

    def _connected(self) -> openai.AsyncOpenAI:
        if not self._access:
            self.check()
        where = self._access
        # what was meant for this machine must not go through a proxy, nor what was meant for one host to another
        hooks = {} if where.is_openai else {"request": [_strip]}
        http = openai.DefaultAsyncHttpxClient(trust_env=not where.is_local, follow_redirects=False, event_hooks=hooks)
        return openai.AsyncOpenAI(
            base_url=where.base_url,
            api_key=where.key or "none",
            timeout=self.settings.timeout_s,
            max_retries=0,
            http_client=http,
        )

    def _from_status(self, fault: openai.APIStatusError) -> TeacherReply:
        """What an error status means: a refusal of this prompt, another try, or the end."""
        if wire.FILTERED & {fault.code, fault.type}:
            return wire.FILTERED_REPLY
        hint = HINTS.get(fault.status_code, "").format(section=self.settings.section)
        words = (
            f"{self.settings.base_url} answered {fault.status_code}: {_shortened(self._hidden(_message(fault)))}{hint}"
        )
        if fault.code in ABOUT_ONE_PROMPT:
            raise TeacherFault(f"HTTP {fault.status_code}", words, "skip") from None
        passing = fault.status_code in PASSING or fault.status_code >= 500
        then = "again" if passing and OUT_OF_MONEY not in (fault.code, fault.type) else "stop"
        raise TeacherFault(f"HTTP {fault.status_code}", words, then, _retry_after(fault)) from None

    def _hidden(self, text: str) -> str:
        return self._access.hidden(text) if self._access else text


def _names(content: bytes) -> list[str]:
    """The ids in a list of models; none where the answer is no such list."""
    with suppress(ValueError, TypeError, KeyError):
        return [str(model["id"]) for model in json.loads(content)["data"]]
    return []


async def _strip(request: httpx2.Request) -> None:
    """Leaves no header that tells of this machine, or that the environment holds for OpenAI."""
    kept = {name: value for name, value in request.headers.items() if name in NEEDED_HEADERS}
    request.headers = httpx2.Headers({**kept, "user-agent": "vlrlcd"})


def _message(fault: openai.APIStatusError) -> str:
    """The server's own words, on one line."""
    said = fault.body.get("message") if isinstance(fault.body, dict) else fault.body
    return " ".join(str(said or fault.response.text or "no message").split())


def _shortened(words: str) -> str:
    return words if len(words) <= LONGEST_MESSAGE else f"{words[:LONGEST_MESSAGE]} ..."


def _retry_after(fault: openai.APIStatusError) -> float | None:
    """Seconds that the server wants to be left alone: milliseconds, seconds or a date."""
    headers = fault.response.headers
    readings = (
        lambda: float(headers["retry-after-ms"]) / 1000,
        lambda: float(headers["retry-after"]),
        lambda: parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time(),
    )
    for read in readings:
        with suppress(KeyError, ValueError, TypeError):
            if math.isfinite(seconds := read()):
                return max(0.0, seconds)
    return None
