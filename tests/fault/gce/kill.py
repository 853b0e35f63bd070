#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the client at each mutation of up and of down: before it is sent, after it, after its
answer. Then up and down, or down alone: nothing is left, and nothing was made twice.
usage: kill.py SHIM.so"""
from __future__ import annotations

import concurrent.futures
import sys
from pathlib import Path

from harness import MACHINES, Scenario, report, workers

MOMENTS = ("before", "after", "answer")
KILLED = -9


def mutations(scenario: Scenario, shim: str) -> tuple[list[str], list[str]]:
    """Those of an up and of a down that nothing disturbs."""
    counted = []
    for run in (scenario.up, scenario.down):
        path = scenario.dir / "count"
        path.unlink(missing_ok=True)
        status, out = run(env={"LD_PRELOAD": shim, "GPUC_KILL_COUNT": str(path)})
        assert status == 0, out
        counted.append([line.split("?")[0] for line in path.read_text().splitlines()])
    return counted[0], counted[1]


def after_up(scenario: Scenario, again: bool) -> str:
    """What is wrong when the client that was killed is followed by (up and) down."""
    if again:
        status, out = scenario.up()
        if status != 0:
            return f"up again ended with {status}: {out[-1500:]}"
        if scenario.instances() != MACHINES:
            return f"after up again there is {scenario.instances()}"
    status, out = scenario.down()
    if status != 0 and "GPUC_ENOTFOUND" not in out:
        return f"down ended with {status}: {out[-1500:]}"
    twice = scenario.made_twice()
    return f"made twice: {twice}" if twice else scenario.left()


def one(shim: str, phase: str, moment: str, number: int, again: bool) -> str:
    kill = {"LD_PRELOAD": shim, "GPUC_KILL_AT": f"{moment}:{number}"}
    with Scenario() as scenario:
        if phase == "down":
            status, out = scenario.up()
            if status != 0:
                return f"up ended with {status}: {out[-1500:]}"
        status, out = (scenario.up if phase == "up" else scenario.down)(env=kill)
        if status != KILLED:
            return f"the client was not killed: {status}"
        return after_up(scenario, again)


def main() -> int:
    shim = str(Path(sys.argv[1]).resolve())
    with Scenario() as scenario:
        ups, downs = mutations(scenario, shim)
    print(f"{len(ups)} mutations of up: {', '.join(ups)}\n{len(downs)} of down: {', '.join(downs)}")
    jobs = [(phase, moment, number, again)
            for phase, count in (("up", len(ups)), ("down", len(downs)))
            for number in range(1, count + 1) for moment in MOMENTS
            for again in ((True, False) if phase == "up" else (False,))]
    good = len(ups) >= 4 and len(downs) >= 6
    report("gce kill -9: the mutations of up and down are all seen",
           "" if good else f"only {ups} and {downs}")
    with concurrent.futures.ThreadPoolExecutor(workers()) as pool:
        futures = {pool.submit(one, shim, *job): job for job in jobs}
        for future in concurrent.futures.as_completed(futures):
            phase, moment, number, again = futures[future]
            name = (ups if phase == "up" else downs)[number - 1]
            ending = "up, down" if again else "down"
            try:
                problem = future.result()
            except Exception as error:  # noqa: BLE001 - told, not swallowed
                problem = repr(error)
            good &= report(f"gce kill -9 {moment} mutation {number} of {phase} ({name}), then {ending}",
                           problem)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
