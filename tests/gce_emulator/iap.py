# SPDX-License-Identifier: Apache-2.0
"""The relay of IAP TCP forwarding, protocol v4: /v4/connect and /v4/reconnect. SIMULATED: it
connects to the machine behind the instance where a firewall rule lets 35.235.240.0/20 in. Facts:
gcloud's client (iap_tunnel_websocket), and what it was seen to send.

Faults, each taken by the next handshake of its kind (`on`: connect, reconnect, any), `times` over:
    {"fault": "drop", "after": BYTES}            the connection goes once so many bytes have passed
    {"fault": "close", "after": BYTES, "code": N}  the same with a close frame
    {"fault": "status", "status": 403}           the handshake is answered so
    {"fault": "silent"}                          no CONNECT_SUCCESS ever comes
    {"fault": "fragment", "size": N}             messages in WebSocket frames of N bytes
    {"fault": "small", "size": N}                DATA messages of N bytes
    {"fault": "unknown_tag"}, {"fault": "ping"}  an unknown message first; a ping first
    {"fault": "text"}                            a text message first, which breaks the protocol
    {"fault": "bad_ack"}                         an ACK for bytes that were never sent
"""
from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from . import netrules, websocket
from .backends.base import Instance
from .httpd import Request, Response

PROTOCOL = "relay.tunnel.cloudproxy.app"
CONNECT_SID, RECONNECT_ACK, DATA, ACK = 1, 2, 4, 7
DATA_MAX = 16384
WINDOW = 1 << 20   # bytes that may wait for the client's acknowledgement
KEEP_S = 60.0      # how long a session waits for its client
IDLE_ACK_S = 2.0
# Close codes, as gcloud's client names them.
SID_UNKNOWN, SID_IN_USE, NO_BACKEND, BAD_ACK, BAD_TAG, BAD_DATA = 4001, 4002, 4003, 4005, 4008, 4013


def message(tag: int, data: bytes, counted: bool = False) -> bytes:
    size = struct.pack(">I", len(data)) if counted else b""
    return struct.pack(">H", tag) + size + data


class Session:
    """One TCP connection to a machine; its client may come back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sid = secrets.token_urlsafe(24)
        self.reader, self.writer = reader, writer
        self.received = 0          # bytes of the client's, written to the machine
        self.acked = 0             # of the machine's bytes, what the client has acknowledged
        self.waiting = bytearray()  # those from `acked` on
        self.ended = False         # the machine has closed
        self.client: websocket.WebSocket | None = None
        self.changed = asyncio.Event()
        self.pump = asyncio.create_task(self._pump())

    async def _pump(self) -> None:
        """From the machine into `waiting`."""
        with contextlib.suppress(OSError):
            while data := await self.reader.read(DATA_MAX):
                self.waiting += data
                self.changed.set()
                while len(self.waiting) > WINDOW:
                    await asyncio.sleep(0.02)
        self.ended = True
        self.changed.set()

    def acknowledge(self, total: int) -> bool:
        if not self.acked <= total <= self.acked + len(self.waiting):
            return False
        del self.waiting[: total - self.acked]
        self.acked = total
        return True

    async def end(self) -> None:
        self.pump.cancel()
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Relay:
    """find(project, zone, name) gives the instance; reach(instance, port) where its port is;
    rules(project) the firewall rules; known(request) whether the bearer token is a good one."""

    def __init__(self, find: Callable[[str, str, str], Instance | None],
                 reach: Callable[[Instance, int], Awaitable[tuple[str, int] | None]],
                 rules: Callable[[str], list[dict[str, Any]]],
                 known: Callable[[Request], bool]) -> None:
        self.find, self.reach, self.rules, self.known = find, reach, rules, known
        self.sessions: dict[str, Session] = {}
        self.faults: list[dict[str, Any]] = []
        self.counts = {"connect": 0, "reconnect": 0, "bytes_in": 0, "bytes_out": 0}
        self.tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.gather(*(s.end() for s in self.sessions.values()), return_exceptions=True)
        self.sessions.clear()

    def take_fault(self, kind: str) -> dict[str, Any]:
        for fault in self.faults:
            if fault.get("on", "connect") in (kind, "any"):
                fault["times"] = int(fault.get("times", 1)) - 1
                if fault["times"] <= 0:
                    self.faults.remove(fault)
                return fault
        return {}

    async def handle(self, request: Request) -> Response | None:
        """A request to /v4/…: None when it has become a tunnel, and has ended."""
        kind = request.segments[-1]
        if kind not in ("connect", "reconnect"):
            return Response.of({"error": "SIMULATED: no such path"}, 404)
        fault = self.take_fault(kind)
        if fault.get("fault") == "status":
            return Response.of({"error": "SIMULATED: injected"}, int(fault["status"]))
        why = websocket.refusal(request, PROTOCOL)
        if why or request.headers.get("origin") != "bot:iap-tunneler":
            return Response.of({"error": why or "Origin must be bot:iap-tunneler"}, 400)
        if not self.known(request):
            return Response.of({"error": "no valid bearer token"}, 401)
        self.counts[kind] += 1
        client = websocket.WebSocket(request)
        await client.accept(PROTOCOL)
        try:
            await self.serve(client, request.query, kind, fault)
        finally:
            client.writer.close()
        return None

    async def serve(self, client: websocket.WebSocket, query: dict[str, str], kind: str,
                    fault: dict[str, Any]) -> None:
        if kind == "connect":
            session = await self.connect(client, query)
        else:
            session = await self.reconnect(client, query)
        if session is None:
            return
        session.client = client
        clean = False
        try:
            clean = await Attachment(self, session, client, fault).run(kind)
        finally:
            session.client = None
            if clean:
                self.sessions.pop(session.sid, None)
                await session.end()
            else:
                task = asyncio.create_task(self.forget(session))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def forget(self, session: Session) -> None:
        await asyncio.sleep(KEEP_S)
        if session.client is None and self.sessions.pop(session.sid, None):
            await session.end()

    async def connect(self, client: websocket.WebSocket, query: dict[str, str]) -> Session | None:
        """Opens the connection to the machine, or closes the tunnel and says why."""
        instance = self.find(query.get("project", ""), query.get("zone", ""),
                             query.get("instance", ""))
        port = int(query.get("port", "0")) if query.get("port", "").isdigit() else 0
        if instance is None or query.get("interface", "nic0") != "nic0":
            await client.close(4047, "SIMULATED: no such instance")
            return None
        if not netrules.lets_in(self.rules(instance.project), instance.resource, "tcp", port,
                                netrules.IAP_RANGE):
            await client.close(NO_BACKEND, "failed to connect to backend (SIMULATED: firewall)")
            return None
        where = await self.reach(instance, port)
        try:
            if where is None:
                raise OSError("not running")
            streams = await asyncio.wait_for(asyncio.open_connection(*where), 10)
        except (OSError, asyncio.TimeoutError):
            await client.close(NO_BACKEND, "failed to connect to backend")
            return None
        session = Session(*streams)
        self.sessions[session.sid] = session
        return session

    async def reconnect(self, client: websocket.WebSocket, query: dict[str, str]) -> Session | None:
        session = self.sessions.get(query.get("sid", ""))
        ack = query.get("ack", "")
        if session is None:
            await client.close(SID_UNKNOWN, "unknown session")
            return None
        for _ in range(100):  # its end may come after its successor
            if session.client is None or not session.client.closing:
                break
            await asyncio.sleep(0.02)
        if session.client is not None:
            session.client.abort()
            await client.close(SID_IN_USE, "session in use")
            return None
        if not ack.isdigit() or not session.acknowledge(int(ack)):
            await client.close(BAD_ACK, f"ack {ack[:30]} does not fit")
            return None
        return session


class Attachment:
    """A client on a session, until one of the two goes."""

    def __init__(self, relay: Relay, session: Session, client: websocket.WebSocket,
                 fault: dict[str, Any]) -> None:
        self.relay, self.session, self.client, self.fault = relay, session, client, fault
        self.sent = session.acked       # of the machine's bytes
        self.told = session.received    # what the client has been told that we have
        self.passed = 0                 # bytes through this attachment
        self.word = fault.get("fault", "")
        self.size = int(fault.get("size", DATA_MAX)) if self.word == "small" else DATA_MAX

    async def run(self, kind: str) -> bool:
        """True: the client has said good-bye, or broke the protocol; False: it may come back."""
        await self.odd_things()
        if self.word == "silent":
            return await self.read()
        if kind == "connect":
            await self.client.send(message(CONNECT_SID, self.session.sid.encode(), counted=True))
        else:
            await self.client.send(
                message(RECONNECT_ACK, struct.pack(">Q", self.session.received)))
        writing = asyncio.create_task(self.write())
        acking = asyncio.create_task(self.ack_when_idle())
        try:
            return await self.read()
        finally:
            for task in (writing, acking):
                task.cancel()
            await asyncio.gather(writing, acking, return_exceptions=True)

    async def odd_things(self) -> None:
        if self.word == "fragment":
            self.client.fragment = int(self.fault.get("size", 7))
        elif self.word == "unknown_tag":
            await self.client.send(message(0x00FF, b"SIMULATED"))
        elif self.word == "ping":
            await self.client.send(b"SIMULATED", websocket.PING)
        elif self.word == "text":
            await self.client.send(b"SIMULATED", websocket.TEXT)
        elif self.word == "bad_ack":
            await self.client.send(message(ACK, struct.pack(">Q", 1 << 40)))

    async def count(self, size: int) -> None:
        self.passed += size
        if self.word in ("drop", "close") and self.passed >= int(self.fault.get("after", 0)):
            if self.word == "close":
                await self.client.close(int(self.fault.get("code", 4004)), "SIMULATED: injected")
                await asyncio.sleep(0.2)
            self.client.abort()

    def room(self) -> int:
        """How much the next message may hold: a connection that is to go does so in the middle."""
        if self.word in ("drop", "close"):
            return min(self.size, max(1, int(self.fault.get("after", 0)) - self.passed))
        return self.size

    async def write(self) -> None:
        """From the machine to the client."""
        session = self.session
        while not self.client.closing:
            session.changed.clear()
            at = self.sent - session.acked
            data = bytes(session.waiting[at: at + self.room()])
            if data:
                await self.client.send(message(DATA, data, counted=True))
                self.sent += len(data)
                self.relay.counts["bytes_out"] += len(data)
                await self.count(len(data))
            elif session.ended:
                await self.client.close(1000, "the machine has closed")
                return
            else:
                await session.changed.wait()

    async def acknowledge(self) -> None:
        if self.told != self.session.received and not self.client.closing:
            self.told = self.session.received
            await self.client.send(message(ACK, struct.pack(">Q", self.told)))

    async def ack_when_idle(self) -> None:
        while True:
            before = self.session.received
            await asyncio.sleep(IDLE_ACK_S)
            if before == self.session.received:
                await self.acknowledge()

    async def read(self) -> bool:
        """From the client to the machine."""
        try:
            while True:
                kind, data = await self.client.receive()
                why = await self.take(kind, data)
                if why:
                    await self.client.close(*why)
                    return True
        except websocket.Closed as closed:
            return closed.code in (1000, 1001)
        except websocket.BadFrame as bad:
            await self.client.close(1002, str(bad))
            return True

    async def take(self, kind: int, data: bytes) -> tuple[int, str] | None:
        """One message; a code and reason when it breaks the protocol."""
        if kind != websocket.BINARY or len(data) < 2:
            return 4007, "binary messages only"
        tag, rest = struct.unpack(">H", data[:2])[0], data[2:]
        if tag == DATA:
            if len(rest) < 4 or struct.unpack(">I", rest[:4])[0] != len(rest) - 4:
                return BAD_DATA, "DATA whose length is not that of the message"
            if not 0 < len(rest) - 4 <= DATA_MAX:
                return BAD_DATA, f"DATA of {len(rest) - 4} bytes"
            with contextlib.suppress(OSError):
                self.session.writer.write(rest[4:])
                await self.session.writer.drain()
            self.session.received += len(rest) - 4
            self.relay.counts["bytes_in"] += len(rest) - 4
            await self.count(len(rest) - 4)
            if self.session.received - self.told >= 2 * DATA_MAX:
                await self.acknowledge()
        elif tag == ACK:
            total = struct.unpack(">Q", rest)[0] if len(rest) == 8 else -1
            if total > self.sent or not self.session.acknowledge(total):
                return BAD_ACK, "ACK does not fit"
        elif tag in (CONNECT_SID, RECONNECT_ACK):
            return BAD_TAG, "a server's message"
        return None
