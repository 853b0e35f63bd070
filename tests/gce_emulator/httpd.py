# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on asyncio streams: small, without dependencies, and with the connection in hand, since
faults must cut, stall and reset it."""
from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

SERVER = "gce-emulator (SIMULATED)"
BODY_MAX = 64 << 20


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes = b""
    writer: asyncio.StreamWriter | None = None
    reader: asyncio.StreamReader | None = None

    @property
    def path(self) -> str:
        """As sent: %2F must not become a separator."""
        return urlsplit(self.target).path

    @property
    def segments(self) -> list[str]:
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> Any:
        return json.loads(self.body) if self.body.strip() else None


@dataclass
class Response:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # send only so many bytes of the body, then close
    reset: bool = False  # no answer: reset the connection
    hang: float = 0  # seconds of silence first

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Response:
        names = {"Content-Type": "application/json; charset=UTF-8"}
        names.update({key.replace("_", "-"): text for key, text in headers.items()})
        return cls(status, json.dumps(value).encode() + b"\n", names)

    def head(self) -> bytes:
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", f"Server: {SERVER}"]
        lines += [f"{key}: {value}" for key, value in self.headers.items()]
        lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class BadRequest(Exception):
    pass


# None: the handler took the connection over (request.reader, request.writer).
Handler = Callable[[Request], Awaitable[Response | None]]


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = bytearray()
        while size := int((await reader.readline()).split(b";")[0], 16):
            if len(body) + size > BODY_MAX:
                raise BadRequest("body too large")
            body += await reader.readexactly(size)
            await reader.readline()
        while (await reader.readline()).strip():
            pass
        return bytes(body)
    size = int(headers.get("content-length", "0"))
    if size < 0 or size > BODY_MAX:
        raise BadRequest("body too large")
    return await reader.readexactly(size)


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request | None:
    """The next request of the connection; None at its end."""
    line = (await reader.readline()).decode("latin-1").strip()
    if not line:
        return None
    parts = line.split(" ")
    if len(parts) != 3:
        raise BadRequest(f"request line {line[:80]!r}")
    headers: dict[str, str] = {}
    while text := (await reader.readline()).decode("latin-1").strip():
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
        if len(headers) > 200:
            raise BadRequest("too many headers")
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _read_body(reader, headers)
    return Request(parts[0], parts[1], headers, body, writer, reader)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Server:
    """One listening socket. Connections are kept alive."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def listen(self, host: str, port: int) -> int:
        self._server = await asyncio.start_server(self._serve, host, port, limit=1 << 18,
                                                  backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (BadRequest, ValueError) as error:
            writer.write(Response.of({"error": str(error)}, 400, Connection="close").head())
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_request(reader, writer)
        if request is None:
            return False
        response = await self._handler(request)
        if response is None:
            return False
        if response.hang:
            await asyncio.sleep(response.hang)
        if response.reset:
            _reset(writer)
            return False
        body = response.body if response.cut is None else response.body[: response.cut]
        writer.write(response.head() + body)
        await writer.drain()
        keep = request.headers.get("connection", "").lower() != "close"
        return keep and response.cut is None
