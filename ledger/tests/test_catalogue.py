"""The catalogue: the last word of each worker, by tenant."""

from time import sleep
from typing import Any

from ledger import catalogue
from ledger.tests.driver import TENANT, Driver
from ledger.tests.processes import at_once


def publish(drive: Driver, engine: str, *cards: dict[str, Any], methods: list[dict[str, Any]] | None = None) -> None:
    """A worker says what it offers."""
    with drive.ledger.writing() as connection:
        catalogue.publish(connection, TENANT, engine=engine, cards=list(cards), method_cards=methods or [])


def test_before_any_worker_there_is_nothing(drive: Driver) -> None:
    """No models, and None rather than an empty list of methods: not ready."""
    with drive.ledger.reading() as connection:
        assert catalogue.model_cards(connection, TENANT) == []
        assert catalogue.method_cards(connection, TENANT) is None


def test_models_come_by_id_and_the_last_card_holds(drive: Driver) -> None:
    """Publishing a model again replaces its card; the others stay."""
    publish(drive, "e1", {"id": "b", "size": 1}, {"id": "a", "size": 1})
    publish(drive, "e1", {"id": "b", "size": 2})
    with drive.ledger.reading() as connection:
        assert catalogue.model_cards(connection, TENANT) == [{"id": "a", "size": 1}, {"id": "b", "size": 2}]
        assert catalogue.model_cards(connection, "other") == []


def test_methods_are_those_of_the_engine_that_published_last(drive: Driver) -> None:
    """e1, e2, then e1 again with another list: e1's second list."""
    with drive.ledger.writing() as connection:
        for engine, kind in (("e1", "nemo"), ("e2", "wanda"), ("e1", "none")):
            catalogue.publish(connection, TENANT, engine=engine, cards=[], method_cards=[{"kind": kind}])
            sleep(0.005)  # the database's clock counts milliseconds
    with drive.ledger.reading() as connection:
        assert catalogue.method_cards(connection, TENANT) == ("e1", [{"kind": "none"}])
        assert catalogue.method_cards(connection, "other") is None


def publish_many(url: str, engine: str) -> None:
    """A worker that keeps publishing."""
    drive = Driver.open(url)
    for n in range(20):
        publish(drive, engine, {"id": "m", "n": n}, {"id": engine, "n": n})


def test_two_workers_may_publish_at_once(drive: Driver, url: str) -> None:
    """Neither fails, and the shared model's card is the last of one of them."""
    at_once(publish_many, url, each=("e1", "e2"))
    with drive.ledger.reading() as connection:
        cards = {card["id"]: card["n"] for card in catalogue.model_cards(connection, TENANT)}
    assert cards == {"e1": 19, "e2": 19, "m": 19}
