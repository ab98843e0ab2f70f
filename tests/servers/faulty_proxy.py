"""A proxy that spoils a share of what passes through it, in every way that a network and a busy server know.

    python -m tests.servers.faulty_proxy --upstream http://127.0.0.1:8000 [--share 0.25] [--seed 0] [--port 0]

Prints its port. GET /counts tells what it did, by kind; `whole` are answers that it passed on untouched.
"""

import argparse
import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2

from tests.servers.http import Request, Response, completion, failure, port_of, start


def _cut(whole: Response) -> Response:
    """Half of the JSON, in a response that says so of its length."""
    return Response(body=whole.body[: len(whole.body) // 2])


FAULTS = {
    "429": lambda whole: failure(429, "slow down"),
    "429, retry after": lambda whole: failure(429, "slow down", retry_after="0.2"),
    "429, retry at": lambda whole: failure(429, "slow down", retry_after=_soon()),
    "500": lambda whole: failure(500),
    "503": lambda whole: Response(503, b"<html>busy</html>", {"content-type": "text/html"}),
    "reset": lambda whole: Response(ending="reset"),
    "cut JSON": _cut,
    "cut body": lambda whole: Response(body=whole.body, ending="cut"),
    "empty answer": lambda whole: completion(""),
    "slow body": lambda whole: Response(body=whole.body, ending="drip"),
}


def _soon() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)


class FaultyProxy:
    """Passes requests on to `upstream` and spoils a share of the answers."""

    def __init__(self, upstream: str, share: float, seed: int):
        self.upstream, self.share = upstream, share
        self.draw = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.client = httpx2.AsyncClient(trust_env=False, timeout=60)

    async def __call__(self, request: Request) -> Response:
        if request.path == "/counts":
            return Response(body=json.dumps(self.counts).encode())
        kind = self.draw.choice(list(FAULTS)) if self.draw.random() < self.share else "whole"
        self.counts[kind] += 1
        passed = await self.client.post(self.upstream + request.path, content=request.body)
        whole = Response(passed.status_code, passed.content)
        return FAULTS[kind](whole) if kind in FAULTS else whole


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    flags = parser.parse_args()
    server = await start(FaultyProxy(flags.upstream, flags.share, flags.seed), flags.port)
    print(port_of(server), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
