# SPDX-License-Identifier: Apache-2.0
"""The server's side of RFC 6455 over asyncio streams: with the frames in hand, since faults must
split, drop and invent them."""
from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import struct

from .httpd import SERVER, Request

MESSAGE_MAX = 1 << 20
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Closed(Exception):
    """The other side has closed: its code, 1006 without a close frame."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code


class BadFrame(Exception):
    pass


def refusal(request: Request, protocol: str) -> str | None:
    """Why the request is no handshake for that subprotocol; None: it is one."""
    headers = request.headers
    if request.method != "GET" or headers.get("upgrade", "").lower() != "websocket":
        return "not a WebSocket handshake"
    if headers.get("sec-websocket-version") != "13":
        return "Sec-WebSocket-Version must be 13"
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)
    except ValueError:
        key = b""
    if len(key) != 16:
        return "Sec-WebSocket-Key must be 16 bytes in base64"
    asked = [p.strip() for p in headers.get("sec-websocket-protocol", "").split(",")]
    return None if protocol in asked else f"Sec-WebSocket-Protocol must be {protocol}"


class WebSocket:
    def __init__(self, request: Request) -> None:
        assert request.reader is not None and request.writer is not None
        self.request, self.reader, self.writer = request, request.reader, request.writer
        self.fragment = 0  # a message goes out in frames of so many bytes; 0: in one
        self.closing = False

    async def accept(self, protocol: str) -> None:
        key = self.request.headers["sec-websocket-key"].encode()
        answer = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", f"Server: {SERVER}", "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Accept: {answer}",
                 f"Sec-WebSocket-Protocol: {protocol}"]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self.writer.drain()

    def frame(self, opcode: int, data: bytes, final: bool = True) -> None:
        head = bytes([(0x80 if final else 0) | opcode])
        if len(data) < 126:
            head += bytes([len(data)])
        elif len(data) < 65536:
            head += b"\x7e" + struct.pack(">H", len(data))
        else:
            head += b"\x7f" + struct.pack(">Q", len(data))
        self.writer.write(head + data)

    async def send(self, data: bytes, opcode: int = BINARY) -> None:
        step = self.fragment or len(data) or 1
        for at in range(0, len(data) or 1, step):
            self.frame(opcode if at == 0 else CONTINUED, data[at:at + step],
                       at + step >= len(data))
        await self.writer.drain()

    async def close(self, code: int, reason: str = "") -> None:
        if not self.closing:
            self.closing = True
            with contextlib.suppress(OSError, RuntimeError):
                self.frame(CLOSE, struct.pack(">H", code) + reason.encode()[:120])
                await self.writer.drain()

    def abort(self) -> None:
        """The connection goes without a word."""
        self.closing = True
        self.writer.transport.abort()

    async def _read_frame(self) -> tuple[bool, int, bytes]:
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", await self.reader.readexactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", await self.reader.readexactly(8))[0]
        if first & 0x70 or not second & 0x80:
            raise BadFrame("reserved bits set, or a client's frame without mask")
        if size > MESSAGE_MAX or (first & 8 and (size > 125 or not first & 0x80)):
            raise BadFrame(f"frame of {size} bytes")
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(size)
        pad = (mask * (size // 4 + 1))[:size]
        plain = (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
        return bool(first & 0x80), first & 0x0F, plain

    async def receive(self) -> tuple[int, bytes]:
        """The next message, (TEXT or BINARY, data); Closed at the end."""
        kind, whole = CONTINUED, b""
        try:
            while True:
                final, opcode, data = await self._read_frame()
                if opcode == CLOSE:
                    code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                    await self.close(code if len(data) >= 2 else 1000)
                    raise Closed(code, data[2:].decode(errors="replace"))
                if opcode == PING:
                    self.frame(PONG, data)
                    await self.writer.drain()
                if opcode >= CLOSE:
                    continue
                if (opcode == CONTINUED) != bool(kind) or len(whole) + len(data) > MESSAGE_MAX:
                    raise BadFrame("a continuation of nothing, or a message inside another")
                kind, whole = kind or opcode, whole + data
                if final:
                    return kind, whole
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Closed(1006) from error
