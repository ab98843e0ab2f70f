"""A small HTTP server that can also misbehave, for tests and measurements of whoever asks over HTTP."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

REASONS = {200: "OK", 429: "Too Many Requests", 500: "Internal Server Error"}
DRIP_S = 0.05


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def prompt(self) -> str:
        """All text of a chat request."""
        content = [part for message in self.json["messages"] for part in message["content"]]
        return " ".join(part["text"] for part in content if part["type"] == "text")


@dataclass(frozen=True)
class Response:
    """`ending` says how the body goes: whole, dripping in byte by byte, ended by a reset, or cut at half its length."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    ending: Literal["whole", "drip", "reset", "cut"] = "whole"


Handler = Callable[[Request], Awaitable[Response]]


def completion(text: str | None, finish_reason: str = "stop", usage: dict | None = None, **message: Any) -> Response:
    """A chat completion."""
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub-2026",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110} if usage is None else usage,
    }
    return Response(body=json.dumps(answer).encode())


def failure(status: int, message: str = "a fault", code: str | None = None, **headers: str) -> Response:
    """An error as OpenAI writes it."""
    error = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps(error).encode(), named)


async def start(handler: Handler, port: int = 0) -> asyncio.Server:
    """A server on loopback, in the running loop."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                if not await _write(writer, await handler(request)):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", port, limit=1 << 20)


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """The base URL of a server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(handler), loop).result()
    try:
        yield f"http://127.0.0.1:{port_of(server)}/v1"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


async def _write(writer: asyncio.StreamWriter, response: Response) -> bool:
    """Sends a response in its way; True if the connection is still good."""
    if response.ending == "reset":
        # with a linger time of zero, closing sends a reset instead of an orderly end
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False
    headers = {"content-type": "application/json", **response.headers, "content-length": str(len(response.body))}
    head = f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Status')}\r\n"
    writer.write((head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode())
    if response.ending == "drip":
        for byte in response.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(DRIP_S)
    else:
        writer.write(response.body[: len(response.body) // 2] if response.ending == "cut" else response.body)
    await writer.drain()
    return response.ending != "cut"
