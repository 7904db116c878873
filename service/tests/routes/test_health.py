"""Whether the process lives, and whether it is of use."""

from service.tests.conftest import Bench


def test_the_service_is_ready_once_a_worker_has_published(empty: Bench) -> None:
    """/readyz turns from 503 to 200 with the catalogue; /healthz is 200 before."""
    assert empty.client.get("/healthz").json()["status"] == "ok"
    assert empty.client.get("/readyz").json()["code"] == "CATALOGUE_NOT_READY"
    empty.publish()
    ready = empty.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_the_process_lives_without_its_ledger_but_is_not_ready(bench: Bench) -> None:
    """A database that lost a table is 503 LEDGER_UNAVAILABLE for everything that needs it, without the statement."""
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("DROP TABLE models")
    for address in ("/readyz", "/v1/models"):
        answer = bench.client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_UNAVAILABLE")
        assert answer.headers["Retry-After"].isdecimal()
        assert "SELECT" not in answer.text
    assert bench.client.get("/healthz").status_code == 200
