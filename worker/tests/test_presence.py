"""Being there, on a real ledger and in real time."""

import time

from ledger import workers
from ledger.workers import WorkerRow
from worker.presence import Presence
from worker.tests.shop import TENANT, Shop


def there(shop: Shop) -> list[WorkerRow]:
    """Who has been seen within the last second."""
    with shop.workshop.ledger.reading() as connection:
        return workers.present(connection, TENANT, within_seconds=1)


def wait_for(shop: Shop, count: int) -> list[WorkerRow]:
    """Until so many are there."""
    ends = time.monotonic() + 10
    while len(found := there(shop)) != count and time.monotonic() < ends:
        time.sleep(0.05)
    return found


def test_a_worker_is_there_while_it_is_present(shop: Shop) -> None:
    """Seen again every .2 s, for longer than a single sign of life lasts; then it is gone."""
    presence = Presence(shop.workshop.ledger, TENANT, owner="w", engine="e", families=["sd1", "flux"], seconds=0.2)
    with presence:
        [first] = wait_for(shop, 1)
        time.sleep(1.2)
        [later] = there(shop)
    assert (first.owner, first.engine, first.families) == ("w", "e", ["flux", "sd1"])
    assert later.seen_at > first.seen_at + 1
    assert there(shop) == []


def test_a_ledger_that_is_away_ends_nothing(shop: Shop) -> None:
    """Signs of life that cannot be given are left out, and the next one is given."""
    ledger = shop.workshop.ledger
    with Presence(ledger, TENANT, owner="w", engine="e", families=[], seconds=0.1):
        wait_for(shop, 1)
        with ledger.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE workers RENAME TO away")
        time.sleep(0.5)
        with ledger.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO workers")
        time.sleep(0.3)
        assert len(there(shop)) == 1
