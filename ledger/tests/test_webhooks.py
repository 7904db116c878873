"""Webhooks and their secrets: a tenant's own, rotated with an overlap, so many and no more."""

import pytest
from sqlalchemy import update

from ledger import outgoing, webhooks
from ledger.errors import QuotaExceeded, WebhookNotFound
from ledger.tests.driver import TENANT, Driver
from ledger.tests.processes import at_once, meet
from ledger.tests.test_endings import end, fan_out, hooked

ONE, TWO, THREE = "whsec_1", "whsec_2", "whsec_3"


def made(drive: Driver, tenant: str = TENANT) -> webhooks.WebhookRow:
    """One with the first secret."""
    with drive.ledger.writing() as connection:
        return webhooks.create(connection, tenant, url="https://a.example/", events=["audit.failed"], secret=ONE)


def secrets(drive: Driver, webhook_id: str) -> tuple[str, ...]:
    """What signs now, the newest first."""
    with drive.ledger.reading() as connection:
        address = webhooks.address(connection, TENANT, webhook_id)
    assert address is not None
    return address.secrets


def test_what_is_told_has_no_secret(drive: Driver) -> None:
    """Nor has what is printed of an address by accident."""
    row = made(drive)
    with drive.ledger.reading() as connection:
        assert webhooks.listed(connection, TENANT) == [row]
        assert ONE not in f"{row}{webhooks.address(connection, TENANT, row.id)}"


def test_both_secrets_sign_until_the_formers_time_is_over(drive: Driver) -> None:
    """And after a second rotation the first no more."""
    row = made(drive)
    assert secrets(drive, row.id) == (ONE,)
    for secret, both in ((TWO, (TWO, ONE)), (THREE, (THREE, TWO))):
        with drive.ledger.writing() as connection:
            rotated = webhooks.rotate(connection, TENANT, row.id, secret=secret, seconds=60)
        assert secrets(drive, row.id) == both
        assert rotated.former_until is not None
    with drive.ledger.writing() as connection:
        connection.execute(update(outgoing.webhooks).values(former_until=1.0))
    assert secrets(drive, row.id) == (THREE,)


def test_another_tenants_is_not_there(drive: Driver) -> None:
    """To look at, rotate or remove."""
    row = made(drive)
    with drive.ledger.writing() as connection:
        with pytest.raises(WebhookNotFound):
            webhooks.get(connection, "other", row.id)
        with pytest.raises(WebhookNotFound):
            webhooks.rotate(connection, "other", row.id, secret=TWO, seconds=1)
        with pytest.raises(WebhookNotFound):
            webhooks.remove(connection, "other", row.id)
        assert webhooks.listed(connection, "other") == []
        assert webhooks.address(connection, "other", row.id) is None
    assert secrets(drive, row.id) == (ONE,)


def test_what_is_removed_takes_its_deliveries_along(drive: Driver) -> None:
    """And nobody else's."""
    first, second = hooked(drive), hooked(drive)
    end(drive)
    fan_out(drive)
    with drive.ledger.writing() as connection:
        assert webhooks.remove(connection, TENANT, first).id == first
    assert [row.webhook_id for row in drive.rows(outgoing.deliveries)] == [second]


def crowd(url: str, _: str) -> int:
    """One gateway that makes as many as it may; how many these are."""
    drive = Driver.open(url)
    meet()
    for count in range(webhooks.MOST):
        try:
            made(drive)
        except QuotaExceeded:
            return count
    return webhooks.MOST


def test_two_gateways_at_once_make_so_many_and_no_more(drive: Driver, url: str) -> None:
    """Twenty of forty; another tenant still has room."""
    assert sum(at_once(crowd, url, each=("left", "right"))) == webhooks.MOST
    assert len(drive.rows(outgoing.webhooks)) == webhooks.MOST
    with pytest.raises(QuotaExceeded, match="20 of 20") as caught:
        made(drive)
    assert not caught.value.passes
    made(drive, "other")
