# SPDX-License-Identifier: Apache-2.0
"""RS256 without a library: a public key out of PEM, and PKCS #1 v1.5 verification (RFC 8017)."""
from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


class KeyFormatError(ValueError):
    pass


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each DER element of data."""
    found, at = [], 0
    while at + 2 <= len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        found.append((tag, data[at : at + size]))
        at += size
    return found


def _integers(sequence: bytes) -> list[int]:
    return [int.from_bytes(content, "big") for tag, content in _elements(sequence) if tag == 2]


def public_numbers(pem: str) -> tuple[int, int]:
    """Modulus and exponent of a PEM: PUBLIC KEY, RSA PUBLIC KEY, PRIVATE KEY, RSA PRIVATE KEY."""
    match = re.search(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END", pem, re.S)
    if match is None:
        raise KeyFormatError("no PEM")
    try:
        body = _elements(base64.b64decode("".join(match[2].split())))[0][1]
        if match[1] == "PUBLIC KEY":
            body = _elements(_elements(body)[1][1][1:])[0][1]
        elif match[1] == "PRIVATE KEY":
            body = _elements(_elements(body)[2][1])[0][1]
        numbers = _integers(body)
        if "PRIVATE" in match[1]:
            numbers = numbers[1:]
        return numbers[0], numbers[1]
    except IndexError:
        raise KeyFormatError("not an RSA key") from None


def verify(key: tuple[int, int], message: bytes, signature: bytes) -> bool:
    modulus, exponent = key
    size = (modulus.bit_length() + 7) // 8
    if len(signature) != size:
        return False
    block = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(size, "big")
    digest = SHA256_PREFIX + hashlib.sha256(message).digest()
    wanted = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return hmac.compare_digest(block, wanted)


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parse_jwt(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, what is signed, the signature; ValueError when it is no JWT."""
    parts = text.split(".")
    if len(parts) != 3:
        raise ValueError("not a JWT")
    header, claims = json.loads(_decode(parts[0])), json.loads(_decode(parts[1]))
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("not a JWT")
    return header, claims, f"{parts[0]}.{parts[1]}".encode(), _decode(parts[2])
