"""A teacher that answers after a fixed time and counts what it is asked.

    python -m tests.servers.stub_teacher [--delay 0.05] [--port 0]

Prints its port. GET /counts tells calls in all and by prompt.
"""

import argparse
import asyncio
import json
from collections import Counter

from tests.servers.http import Request, Response, completion, port_of, start


class StubTeacher:
    """Answers `about PROMPT` after `delay` seconds."""

    def __init__(self, delay: float = 0.0):
        self.delay = delay
        self.asked: Counter[str] = Counter()

    async def __call__(self, request: Request) -> Response:
        if request.path == "/counts":
            return Response(body=json.dumps({"calls": self.asked.total(), "by_prompt": self.asked}).encode())
        self.asked[request.prompt] += 1
        await asyncio.sleep(self.delay)
        return completion(f"about {request.prompt}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--port", type=int, default=0)
    flags = parser.parse_args()
    server = await start(StubTeacher(flags.delay), flags.port)
    print(port_of(server), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
