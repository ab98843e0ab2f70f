"""A judge behind a chat endpoint that says what a function of the two answers makes it say."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

from tests.servers.http import Request, Response, completion

SHOWN = re.compile(r"Question: (.*?)\n.*--- Answer A ---\n(.*?)\n?--- Answer B ---\n(.*?)\n?--- End", re.DOTALL)
Opinion = Callable[[str, str, str], str | Response]
"""Its words, or a whole response, about a question, the answer shown first and the one shown second."""


class StubJudge:
    """Says `opinion(question, first, second)`; asked for the verdict only, `again(...)`.

    Attributes:
        games: how often it was asked about each (question, first, second).
        again: how often for the verdict only.
        requests: all bodies, in their order.
    """

    def __init__(self, opinion: Opinion, again: Opinion = lambda *shown: "no", delay: float = 0.0):
        self._opinion, self._again, self._delay = opinion, again, delay
        self.games: Counter[tuple[str, ...]] = Counter()
        self.again: Counter[tuple[str, ...]] = Counter()
        self.requests: list[dict] = []

    async def __call__(self, request: Request) -> Response:
        messages = request.json["messages"]
        shown = SHOWN.search(messages[0]["content"][-1]["text"]).groups()
        self.requests.append(request.json)
        counted, say = (self.games, self._opinion) if len(messages) == 1 else (self.again, self._again)
        counted[shown] += 1
        await asyncio.sleep(self._delay)
        said = say(*shown)
        return completion(said) if isinstance(said, str) else said


def chance(*parts: str) -> float:
    """A number in [0, 1) that looks drawn and is the same for the same parts."""
    return int(sha256("\0".join(parts).encode()).hexdigest()[:12], 16) / 16**12
