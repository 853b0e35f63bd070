# SPDX-License-Identifier: Apache-2.0
"""The guest agent that is played for a local machine ends when its machine stops."""
import asyncio
import unittest

from gce_emulator.backends.agent import Agent


class LosesACancel:
    """The daemon's API, whose first answer comes together with the cancel of its request."""

    def __init__(self):
        self.lost = 0

    async def pull(self, _machine, _path):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.lost += 1
            if self.lost > 1:
                raise
        return b""

    async def raw(self, *_request):
        return 404, b""


class Halt(unittest.IsolatedAsyncioTestCase):
    async def test_a_lost_cancel_is_said_again(self):
        lxd = LosesACancel()
        agent = Agent(lxd, "machine", None)
        agent.boot()
        await asyncio.sleep(0.1)
        await asyncio.wait_for(agent.halt(), 20)
        self.assertGreaterEqual(lxd.lost, 1)
        self.assertIsNone(agent.task)
