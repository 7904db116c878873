"""One stack for all tests that only ask, and one undisturbed audit to compare with."""

from collections.abc import Iterator
from typing import Any

import pytest

from api_tests import asking
from api_tests.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Gateway, sweeper and worker on their embedded defaults."""
    running = Stack(tmp_path_factory.mktemp("palimpsest"))
    running.start()
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def undisturbed(stack: Stack) -> dict[str, Any]:
    """The report of a small audit nothing happened to."""
    accepted = asking.submit(stack.url, asking.small_audit())
    assert accepted.status_code == 202, accepted.text
    ended = asking.wait(stack.url, accepted.json()["id"])
    assert ended["state"] == "succeeded", (ended, stack.log("worker"))
    return asking.report(stack.url, ended["id"])
