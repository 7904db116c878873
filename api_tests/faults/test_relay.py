"""The wire on which faults happen, between a real client and a real Redis."""

from collections.abc import Iterator

import pytest
from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from api_tests.faults.relay import Relay
from ledger.tests.servers import Redis


@pytest.fixture
def server() -> Iterator[Redis]:
    """A Redis of this test's own."""
    with Redis() as found:
        yield found


@pytest.fixture
def relay(server: Redis) -> Iterator[Relay]:
    """The wire to it."""
    found = Relay(server.port)
    found.start()
    yield found
    found.close()


def test_it_passes_what_is_said(server: Redis, relay: Relay) -> None:
    """What is put into a list through the wire is in the list."""
    with Client(port=relay.port) as through, Client(port=server.port) as direct:
        assert through.lpush("list", "one") == 1
        assert direct.lrange("list", 0, -1) == [b"one"]


def test_what_is_said_while_it_is_held_never_arrives(server: Redis, relay: Relay) -> None:
    """The client waits in vain; once the wire is released, a new connection passes and the old word has not come."""
    once = Retry(NoBackoff(), 0)
    with Client(port=relay.port, socket_timeout=0.2, retry=once) as through, Client(port=server.port) as direct:
        through.ping()
        relay.hold()
        with pytest.raises(RedisError):
            through.lpush("list", "one")
        relay.release()
        assert through.lpush("list", "two") == 1
        assert direct.lrange("list", 0, -1) == [b"two"]


def test_a_lost_message_is_acknowledged_and_nowhere(server: Redis, relay: Relay) -> None:
    """Told to lose one, it loses the first of two; both are acknowledged."""
    with Client(port=relay.port) as through, Client(port=server.port) as direct:
        relay.lose(1)
        assert [through.lpush("list", word) for word in ("one", "two")] == [1, 1]
        assert direct.lrange("list", 0, -1) == [b"two"]
        assert relay.lost == 1
