# SPDX-License-Identifier: Apache-2.0
"""POST /batch/compute/v1: multipart/mixed of whole HTTP requests, answered in the same form."""
from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from .errors import ApiError
from .httpd import Request, Response

PARTS_MAX = 1000
Answer = Callable[[Request], Awaitable[Response]]


def _headers(lines: list[bytes]) -> dict[str, str]:
    found = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        found[name.strip().lower()] = value.strip()
    return found


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """Lines of the head, and what follows the empty line."""
    data = data.replace(b"\r\n", b"\n") if b"\r\n" in data[:2000] else data
    head, _, rest = data.partition(b"\n\n")
    return head.split(b"\n"), rest


def parse(request: Request) -> list[tuple[str, Request]]:
    match = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if match is None:
        raise ApiError(400, "badRequest", "Failed to parse batch request: no boundary.")
    parts = []
    for piece in (b"\n" + request.body).split(b"\n--" + match[1].encode())[1:]:
        if piece.startswith(b"--"):
            break
        outer, inner = _split(piece.lstrip(b"\r\n"))
        lines, body = _split(inner)
        words = lines[0].decode("latin-1").split(" ")
        if len(words) < 2:
            raise ApiError(400, "badRequest",
                           "Failed to parse batch request: a part is no request.")
        headers = _headers(lines[1:])
        headers.setdefault("authorization", request.headers.get("authorization", ""))
        headers.setdefault("user-agent", request.headers.get("user-agent", ""))
        size = headers.get("content-length")
        body = body[: int(size)] if size else body.rstrip(b"\r\n")
        parts.append((_headers(outer).get("content-id", ""),
                      Request(words[0], words[1], headers, body)))
    if not parts or len(parts) > PARTS_MAX:
        raise ApiError(400, "badRequest", f"The batch request has {len(parts)} parts, 1 to "
                       f"{PARTS_MAX} are allowed.")
    return parts


async def handle(request: Request, answer: Answer) -> Response:
    parts = parse(request)
    answers = await asyncio.gather(*(answer(inner) for _, inner in parts))
    boundary = "batch_simulated_boundary"
    body = b""
    for (name, _), one in zip(parts, answers):
        body += f"--{boundary}\r\nContent-Type: application/http\r\n".encode()
        if name:
            body += f"Content-ID: <response-{name.strip('<>')}>\r\n".encode()
        body += b"\r\n" + one.head() + one.body[: one.cut] + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return Response(200, body, {"Content-Type": f"multipart/mixed; boundary={boundary}"},
                    reset=any(one.reset for one in answers),
                    hang=max(one.hang for one in answers))
