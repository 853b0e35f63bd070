# SPDX-License-Identifier: Apache-2.0
"""The IAP relay: the protocol over bytes written by hand, and by a WebSocket client that is not
ours where there is one (python3-aiohttp)."""
import asyncio
import base64
import os
import struct
import unittest

from gce_emulator import iap
from gce_emulator.backends.base import Instance
from gce_emulator.httpd import Server

try:
    import aiohttp
except ImportError:
    aiohttp = None

RULES = [{"network": "default", "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}],
          "sourceRanges": ["35.235.240.0/20"]}]


class Client:
    """As much of a WebSocket client as the tests need: frames, masked."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, path, **headers):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        fields = {"Host": "x", "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Version": "13", "Origin": "bot:iap-tunneler",
                  "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
                  "Sec-WebSocket-Protocol": iap.PROTOCOL, "Authorization": "Bearer good", **headers}
        lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer), int(head.split(b" ")[1])

    def send(self, data, opcode=2):
        mask = b"\1\2\3\4"
        size = (bytes([0x80 | len(data)]) if len(data) < 126
                else b"\xfe" + struct.pack(">H", len(data)))
        self.writer.write(bytes([0x80 | opcode]) + size + mask
                          + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    async def frame(self):
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = struct.unpack(">H", await self.reader.readexactly(2))[0]
        return first, await self.reader.readexactly(size)

    async def message(self):
        whole = b""
        while True:
            first, data = await self.frame()
            whole += data
            if first & 0x80:
                return first & 15 or 2, whole


def data(payload):
    return struct.pack(">HI", 4, len(payload)) + payload


class Base(unittest.IsolatedAsyncioTestCase):
    rules = RULES

    async def asyncSetUp(self):
        async def echo(reader, writer):
            while text := await reader.read(65536):
                if text == b"bye":
                    break
                writer.write(text)
            writer.close()

        self.echo = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = self.echo.sockets[0].getsockname()[1]
        instance = Instance("p", "z", {"name": "i", "networkInterfaces": [{"network": "default"}]},
                            "n1-standard-1", 1, 3840)

        async def reach(_instance, wanted):
            return ("127.0.0.1", port if wanted == 22 else 1)

        self.relay = iap.Relay(lambda *names: instance if names == ("p", "z", "i") else None, reach,
                               lambda project: self.rules,
                               lambda request: request.headers["authorization"] == "Bearer good")
        self.server = Server(self.relay.handle)
        self.port = await self.server.listen("127.0.0.1", 0)

    async def asyncTearDown(self):
        await self.relay.close()
        await self.server.close()
        self.echo.close()

    def path(self, **query):
        fields = {"project": "p", "zone": "z", "instance": "i", "interface": "nic0", "port": "22",
                  "newWebsocket": "True", **query}
        return "/v4/connect?" + "&".join(f"{k}={v}" for k, v in fields.items())

    async def connect(self, **query):
        client, status = await Client.open(self.port, self.path(**query))
        self.assertEqual(status, 101)
        return client

    async def sid(self, client):
        _, text = await client.message()
        self.assertEqual(text[:2], b"\0\1")
        self.assertEqual(struct.unpack(">I", text[2:6])[0], len(text) - 6)
        return text[6:].decode()

    async def close_code(self, client):
        while True:
            kind, text = await client.message()
            if kind == 8:
                return struct.unpack(">H", text[:2])[0]


class Tunnel(Base):
    async def test_bytes_there_and_back(self):
        client = await self.connect()
        await self.sid(client)
        client.send(data(b"hello"))
        self.assertEqual(await client.message(), (2, data(b"hello")))

    async def test_acknowledged_after_two_full_messages(self):
        client = await self.connect()
        await self.sid(client)
        got, acks = b"", []
        for _ in range(2):
            client.send(data(b"x" * 16384))
        while len(got) < 32768 or not acks:
            _, text = await client.message()
            if text[:2] == b"\0\7":
                acks.append(struct.unpack(">Q", text[2:])[0])
            else:
                got += text[6:]
        self.assertEqual(acks, [32768])

    async def test_the_machine_closes(self):
        client = await self.connect()
        await self.sid(client)
        client.send(data(b"bye"))
        self.assertEqual(await self.close_code(client), 1000)

    async def test_reconnect_brings_what_was_not_acknowledged(self):
        client = await self.connect()
        sid = await self.sid(client)
        client.send(data(b"0123456789"))
        await client.message()
        client.writer.transport.abort()
        await asyncio.sleep(0.1)
        again, status = await Client.open(
            self.port, f"/v4/reconnect?sid={sid}&ack=4&newWebsocket=True&zone=z")
        self.assertEqual(status, 101)
        self.assertEqual(await again.message(), (2, b"\0\2" + struct.pack(">Q", 10)))
        self.assertEqual(await again.message(), (2, data(b"456789")))

    async def test_reconnect_of_nobody_and_with_a_wrong_ack(self):
        client, _ = await Client.open(self.port, "/v4/reconnect?sid=none&ack=0")
        self.assertEqual(await self.close_code(client), 4001)
        client = await self.connect()
        sid = await self.sid(client)
        client.writer.transport.abort()
        await asyncio.sleep(0.1)
        client, _ = await Client.open(self.port, f"/v4/reconnect?sid={sid}&ack=9")
        self.assertEqual(await self.close_code(client), 4005)

    async def test_refused_handshakes(self):
        for headers, wanted in (({"Authorization": "Bearer bad"}, 401), ({"Origin": "x"}, 400),
                                ({"Sec-WebSocket-Protocol": "chat"}, 400),
                                ({"Sec-WebSocket-Key": "AAAA"}, 400)):
            _, status = await Client.open(self.port, self.path(), **headers)
            self.assertEqual(status, wanted, headers)

    async def test_nothing_listens_or_no_such_instance(self):
        self.assertEqual(await self.close_code(await self.connect(port="80")), 4003)
        self.assertEqual(await self.close_code(await self.connect(instance="j")), 4047)

    async def test_broken_messages_end_the_tunnel(self):
        for text, code in ((struct.pack(">HI", 4, 9) + b"abc", 4013), (data(b"x" * 16385), 4013),
                           (struct.pack(">HQ", 7, 1), 4005), (b"\0\1\0\0\0\0", 4008)):
            client = await self.connect()
            await self.sid(client)
            client.send(text)
            self.assertEqual(await self.close_code(client), code)

    async def test_unknown_tags_are_ignored(self):
        client = await self.connect()
        await self.sid(client)
        client.send(b"\0\x55what")
        client.send(data(b"a"))
        self.assertEqual(await client.message(), (2, data(b"a")))


class Faults(Base):
    async def test_dropped_after_so_many_bytes(self):
        self.relay.faults = [{"fault": "drop", "after": 3}]
        client = await self.connect()
        await self.sid(client)
        client.send(data(b"abc"))
        with self.assertRaises((asyncio.IncompleteReadError, ConnectionError)):
            while True:
                await client.frame()
        self.assertEqual(self.relay.faults, [])

    async def test_dropped_in_the_middle_of_what_comes_at_once(self):
        self.relay.faults = [{"fault": "drop", "after": 6}]
        client = await self.connect()
        await self.sid(client)
        client.send(data(b"abcd"))
        self.assertEqual(await client.message(), (2, data(b"ab")))
        with self.assertRaises((asyncio.IncompleteReadError, ConnectionError)):
            while True:
                await client.frame()

    async def test_closed_with_a_code(self):
        self.relay.faults = [{"fault": "close", "after": 1, "code": 4004}]
        client = await self.connect()
        await self.sid(client)
        client.send(data(b"abc"))
        self.assertEqual(await self.close_code(client), 4004)

    async def test_status_fragments_and_small_messages(self):
        self.relay.faults = [{"fault": "status", "status": 403}, {"fault": "fragment", "size": 3},
                             {"fault": "small", "size": 2}]
        self.assertEqual((await Client.open(self.port, self.path()))[1], 403)
        client = await self.connect()
        self.assertEqual((await client.frame())[0], 2)  # not final
        client = await self.connect()
        await self.sid(client)
        client.send(data(b"abcd"))
        self.assertEqual(await client.message(), (2, data(b"ab")))


class Breaks(Base):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.blob = os.urandom(2_000_000)

        async def source(_reader, writer):
            writer.write(self.blob)
            await writer.drain()
            writer.close()

        self.source = await asyncio.start_server(source, "127.0.0.1", 0)
        where = self.source.sockets[0].getsockname()

        async def reach(_instance, _port):
            return where

        self.relay.reach = reach

    async def asyncTearDown(self):
        await super().asyncTearDown()
        self.source.close()

    async def download(self, fault):
        """All that comes, and how often the tunnel broke on the way."""
        self.relay.faults = [{"after": 600_000, "on": "any", "times": 2, **fault}]
        client = await self.connect()
        sid, got, acked, breaks = await self.sid(client), bytearray(), 0, 0
        while len(got) < len(self.blob):
            try:
                kind, text = await client.message()
            except (asyncio.IncompleteReadError, ConnectionError):
                kind, text = 8, b""
            if kind == 8:
                breaks += 1
                client.send(text, 8)
                client, _ = await Client.open(
                    self.port, f"/v4/reconnect?sid={sid}&ack={len(got)}&zone=z")
                self.assertEqual((await client.message())[1][:2], b"\0\2")
            elif text[:2] == b"\0\4":
                got += text[6:]
            if len(got) - acked > 32768:
                acked = len(got)
                client.send(struct.pack(">HQ", 7, acked))
        return bytes(got), breaks

    async def test_a_download_broken_twice_loses_nothing(self):
        for fault in ({"fault": "close", "code": 4004}, {"fault": "drop"}):
            self.assertEqual(await self.download(fault), (self.blob, 2))


class Closed(Base):
    rules: list = []

    async def test_no_rule_lets_the_relay_in(self):
        self.assertEqual(await self.close_code(await self.connect()), 4003)


@unittest.skipUnless(aiohttp, "no aiohttp")
class OtherClient(Base):
    async def test_a_megabyte_through_a_client_that_is_not_ours(self):
        total, got, sent = os.urandom(1 << 20), bytearray(), 0
        async with aiohttp.ClientSession() as http, http.ws_connect(
                f"http://127.0.0.1:{self.port}{self.path()}", protocols=[iap.PROTOCOL],
                headers={"Authorization": "Bearer good"}, origin="bot:iap-tunneler") as socket:
            self.assertEqual((await socket.receive_bytes())[:2], b"\0\1")
            while len(got) < len(total):
                if sent < len(total) and sent - len(got) < 1 << 17:
                    await socket.send_bytes(data(total[sent: sent + 16384]))
                    sent += 16384
                    continue
                text = await socket.receive_bytes()
                if text[:2] == b"\0\4":
                    got += text[6:]
                    await socket.send_bytes(struct.pack(">HQ", 7, len(got)))
        self.assertEqual(bytes(got), total)


if __name__ == "__main__":
    unittest.main()
