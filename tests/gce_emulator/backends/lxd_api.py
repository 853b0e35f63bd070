# SPDX-License-Identifier: Apache-2.0
"""The few calls of an LXD (or Incus) daemon's REST API that the backend needs, over its socket."""
from __future__ import annotations

import asyncio
import contextlib
import json
from urllib.parse import quote

LIMIT = 16 << 20  # bytes of one answer
SECONDS = 330.0   # for one request: longer than the longest wait asked for


class LxdError(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(f"{message} (status {status})")
        self.status = status


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer after which the daemon closes the connection."""
    status = int((await reader.readline()).split(b" ")[1])
    chunked = False
    while line := (await reader.readline()).strip().lower():
        chunked = chunked or (line.startswith(b"transfer-encoding:") and b"chunked" in line)
    body = bytearray()
    if not chunked:
        while data := await reader.read(1 << 16):
            body += data
            if len(body) > LIMIT:
                raise LxdError(502, "the daemon's answer is too long")
        return status, bytes(body)
    while size := int((await reader.readline()).split(b";")[0], 16):
        if len(body) + size > LIMIT:
            raise LxdError(502, "the daemon's answer is too long")
        body += await reader.readexactly(size)
        await reader.readline()
    return status, bytes(body)


class Lxd:
    def __init__(self, socket: str):
        self.socket = socket
        self.slots = asyncio.Semaphore(32)

    async def raw(self, method: str, path: str, *, body: bytes | None = None,
                  headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        lines = [f"{method} {path} HTTP/1.1", "Host: lxd", "Connection: close",
                 f"Content-Length: {len(body or b'')}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        async with self.slots:
            reader, writer = await asyncio.open_unix_connection(self.socket)
            try:
                writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b""))
                await writer.drain()
                return await asyncio.wait_for(read_answer(reader), SECONDS)
            except (ValueError, IndexError, EOFError) as error:
                raise LxdError(502, f"{method} {path}: {error!r}") from error
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def call(self, method: str, path: str, body: object = None) -> dict:
        """The metadata of the answer; of an operation, once it has ended, its metadata."""
        status, text = await self.raw(
            method, path, body=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        answer = json.loads(text or b"{}")
        if answer.get("type") == "async":
            wait = answer["operation"] + "/wait?timeout=300"
            status, text = await self.raw("GET", wait)
            operation = json.loads(text).get("metadata") or {}
            if operation.get("status_code") != 200:
                raise LxdError(int(operation.get("status_code") or status),
                               operation.get("err") or operation.get("status") or "failed")
            return operation.get("metadata") or {}
        if answer.get("type") == "error" or status >= 400:
            raise LxdError(status, answer.get("error") or "failed")
        return answer.get("metadata") or {}

    async def push(self, name: str, path: str, text: str | bytes, *, mode: int = 0o644,
                   uid: int = 0, gid: int = 0, kind: str = "file") -> None:
        headers = {"Content-Type": "application/octet-stream"}
        for vendor in ("LXD", "Incus"):
            headers.update({f"X-{vendor}-type": kind, f"X-{vendor}-mode": f"{mode:04o}",
                            f"X-{vendor}-uid": str(uid), f"X-{vendor}-gid": str(gid)})
        status, answer = await self.raw(
            "POST", f"/1.0/instances/{name}/files?path={quote(path)}",
            body=text.encode() if isinstance(text, str) else text, headers=headers)
        if status >= 400:
            raise LxdError(status, f"{path}: {answer[:200]!r}")

    async def pull(self, name: str, path: str) -> bytes | None:
        """The file; None when there is none."""
        status, text = await self.raw("GET", f"/1.0/instances/{name}/files?path={quote(path)}")
        if status == 404:
            return None
        if status >= 400:
            raise LxdError(status, f"{path}: {text[:200]!r}")
        return text

    async def run(self, name: str, argv: list[str]) -> tuple[int, str]:
        """Runs a program in the machine: its status, and what it printed."""
        done = await self.call("POST", f"/1.0/instances/{name}/exec", {
            "command": argv, "wait-for-websocket": False, "record-output": True,
            "interactive": False, "environment": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}})
        printed = []
        for path in (done.get("output") or {}).values():
            status, text = await self.raw("GET", path)
            if status == 200:
                printed.append(text.decode(errors="replace"))
            await self.raw("DELETE", path)
        return int(done.get("return", -1)), "".join(printed)

    async def set_state(self, name: str, action: str, *, force: bool = False) -> None:
        await self.call("PUT", f"/1.0/instances/{name}/state",
                        {"action": action, "timeout": 30, "force": force})

    async def address(self, name: str, seconds: float = 60.0) -> str:
        """The machine's IPv4 address, waited for."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            state = await self.call("GET", f"/1.0/instances/{name}/state")
            for known in ((state.get("network") or {}).get("eth0") or {}).get("addresses") or []:
                if known["family"] == "inet" and known["scope"] == "global":
                    return known["address"]
            if loop.time() > end:
                raise LxdError(504, f"{name} has had no address for {seconds:.0f} s")
            await asyncio.sleep(0.3)

    async def delete(self, name: str) -> None:
        """Stops and deletes it; one that is not there is fine."""
        for _ in range(5):
            try:
                await self.set_state(name, "stop", force=True)
            except LxdError:
                pass  # stopped already, or not there: the deletion tells
            try:
                await self.call("DELETE", f"/1.0/instances/{name}")
                return
            except LxdError as error:
                if error.status == 404:
                    return
                last = error
            await asyncio.sleep(1)
        raise last

    async def instances(self) -> list[dict]:
        return list(await self.call("GET", "/1.0/instances?recursion=1") or [])
