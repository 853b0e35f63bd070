# SPDX-License-Identifier: Apache-2.0
"""The command: starts the servers, says in one JSON line where they are, runs until a signal."""
from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from . import backends, credentials
from .backends.base import Backend, Instance
from .catalogue import Catalogue
from .errors import ApiError
from .httpd import Request, Server
from .iap import Relay
from .metadata import MetadataServer
from .oauth import Tokens
from .reqlog import RequestLog
from .server import Api
from .settings import Settings
from .validate import Validator
from .world import World

DISCOVERY = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")).joinpath(
    "gpucluster-bed", "gce-emulator", "discovery")  # `venv` puts it there


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="emulator", description="SIMULATED Compute Engine")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--project", action="append", help="default my-project; may be repeated")
    parser.add_argument("--backend", default="none", metavar="NAME[:OPTION]")
    parser.add_argument("--latency", type=int, default=100, metavar="MS", help="of operations")
    parser.add_argument("--discovery", metavar="DIR", help="with compute.v1.json: check all against "
                        f"it; `none`: do not; default {DISCOVERY} where it is there")
    parser.add_argument("--faults", metavar="FILE", help="JSON: rules from the start on")
    parser.add_argument("--settings", metavar="JSON", default="{}")
    parser.add_argument("--log", metavar="FILE", help="requests, a JSON line each")
    parser.add_argument("--credentials", metavar="DIR", help="write credential files of all kinds")
    return parser.parse_args(words)


def _validator(folder: str | None) -> Validator | None:
    if folder == "none" or folder is None and not DISCOVERY.exists():
        return None
    return Validator(Path(folder) if folder else DISCOVERY)


def _relay(world: World, tokens: Tokens) -> Relay:
    """The relay of IAP, on the port of the API."""
    def find(project: str, zone: str, name: str) -> Instance | None:
        return world.projects[project].instances.get((zone, name)) if (
            project in world.projects) else None

    def rules(project: str) -> list[dict[str, Any]]:
        return list(world.project(project).firewalls.values())

    def known(request: Request) -> bool:
        try:
            tokens.check(request.headers.get("authorization", ""))
        except ApiError:
            return False
        return True

    return Relay(find, world.backend.tcp, rules, known)


async def run(words: list[str]) -> int:
    options = _arguments(words)
    settings = Settings(latency_ms=options.latency)
    settings.update(json.loads(options.settings))
    name, _, option = options.backend.partition(":")
    backend = backends.load(name, option or None)
    await backend.open()
    try:
        return await _serve(options, settings, name, backend)
    finally:  # whatever happened: what was made goes
        await backend.close()


async def _serve(options: argparse.Namespace, settings: Settings, name: str, backend: Backend
                 ) -> int:
    world = World(options.project or ["my-project"], backend, Catalogue(), settings)
    for project in world.projects:
        await world.firewalls_settled(project)
    if options.faults:
        world.faults.add(json.loads(Path(options.faults).read_text()))
    tokens, log = Tokens(settings), RequestLog(options.log)
    validator = _validator(options.discovery)
    relay = _relay(world, tokens)
    servers = [Server(Api(world, tokens, log, validator, relay).handle),
               Server(MetadataServer(world, tokens).handle)]
    port = await servers[0].listen(options.host, options.port)
    metadata_port = await servers[1].listen(options.host, 0)
    root = f"http://{options.host}:{port}"
    tokens.own_uri = f"{root}/token"
    where: dict[str, Any] = {
        "endpoint": f"{root}/compute/v1/", "metadata": f"{options.host}:{metadata_port}",
        "token_uri": tokens.own_uri, "sts": f"{root}/v1/token", "root": f"{root}/",
        "iap": f"ws://{options.host}:{port}/v4",
        "admin": f"{root}/_emulator/", "backend": name, "validated": validator is not None}
    if options.credentials:
        where["credentials"] = credentials.write(Path(options.credentials), tokens, root,
                                                 next(iter(world.projects)))
    print(json.dumps(where), flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for server in servers:
        await server.close()
    await relay.close()
    await world.operations.close()
    log.close()
    return 0


def main() -> int:
    return asyncio.run(run(sys.argv[1:]))
