# SPDX-License-Identifier: Apache-2.0
"""sshd_listener.py FOLDER PORT SSHD: accepts on every loopback address, and hands each connection
to an OpenSSH server of its own (sshd -i), with the keys of the instance whose address was called. An
address without FOLDER/up/ADDRESS/up refuses. Ends when its standard input does."""
from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys


def listen(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Of all interfaces only loopback, of which every address 127.x.y.z is ours.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    sock.bind(("0.0.0.0", port))
    sock.listen(1024)
    return sock


def refuse(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def serve(connection: socket.socket, folder: str, sshd: str) -> subprocess.Popen[bytes] | None:
    address = connection.getsockname()[0]
    place = f"{folder}/up/{address}"
    if not address.startswith("127.") or not os.path.exists(place + "/up"):
        refuse(connection)
        return None
    argv = [sshd, "-i", "-f", f"{folder}/config", "-E", f"{folder}/log",
            "-o", f"AuthorizedKeysFile={place}/keys-%u"]
    if os.path.exists(place + "/host_key"):
        argv += ["-h", place + "/host_key"]
    try:
        return subprocess.Popen(argv, stdin=connection, stdout=connection,
                                stderr=subprocess.DEVNULL, start_new_session=True)
    finally:
        connection.close()


def main() -> None:
    folder, port, sshd = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    sock = listen(port)
    print("ready", flush=True)
    sessions: list[subprocess.Popen[bytes]] = []
    while True:
        ready, _, _ = select.select([sock, sys.stdin], [], [], 1.0)
        sessions = [s for s in sessions if s.poll() is None]
        if sys.stdin in ready:
            break
        if sock in ready:
            session = serve(sock.accept()[0], folder, sshd)
            sessions += [session] if session else []
    for session in sessions:
        try:
            os.killpg(session.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


main()
