# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest
from emu import Emulator


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One emulator for all, checked against Google's description."""
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    assert emulator.where["validated"], "tests need the API description; ./venv fetches it"
    yield emulator
    emulator.close()


@pytest.fixture
def emulator(process: Emulator, request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """As new; and nothing that the description does not know may have passed."""
    before = process.admin("GET", "settings")
    process.reset()
    yield process
    violations = process.state()["violations"]
    process.settings(**before)
    if request.node.get_closest_marker("violations") is None:
        assert violations == []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "violations: the test makes requests that are not allowed")
