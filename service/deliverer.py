"""Telling webhooks what they are owed, signed as Standard Webhooks 1.0 has it, until they take it or there is no hope.

    signature = "v1," base64(HMAC-SHA256(secret, id "." timestamp "." payload))      one for each secret that is good

2xx is taken; anything else is not, redirects included, which are not followed. 410 disables the webhook, and so does
a delivery that is given up after nothing was taken for days. Only the sweeper does it: it alone calls out.
"""

import base64
import hashlib
import hmac
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from ledger import deliveries, endings, webhooks
from ledger.database import Ledger
from ledger.deliveries import DeliveryRow, Try
from service.outbound import Outbound, Unanswered

log = structlog.get_logger()

AT_A_TIME = 16
"""Deliveries of a sweep, each in a thread: it takes as long as the slowest of them, which ends by its deadline."""
OF_ONE = 4
"""Of these, to one webhook: a slow one leaves the others their threads."""
PAUSES = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds behind each try that failed; three days in all, then it is given up."""
JITTER = 0.1
"""Up to so much longer, so that what failed together does not come back together."""
LONGEST_ASKED = 86_400.0
"""A receiver that asks for more time than this gets this."""
FAILING_SECONDS = 3 * 86_400.0
"""A webhook that has taken nothing for so long is disabled when the next delivery is given up."""
KEPT_SECONDS = 30 * 86_400.0
"""For how long a delivery that was settled is told of."""
GONE = 410


class Deliverer:
    """What one sweeper delivers. Any number may: a delivery is with one of them at a time."""

    def __init__(self, ledger: Ledger, out: Outbound, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._out, self._clock = ledger, out, clock

    def fan_out(self) -> int:
        """Owe every webhook its word of the audits that have ended."""
        return self._ledger.write(endings.fan_out)

    def forget(self) -> int:
        """Drop what was settled long ago."""
        return self._ledger.write(lambda connection: deliveries.forget(connection, older_seconds=KEPT_SECONDS))

    def deliver(self) -> int:
        """Try what is due; how many were taken."""
        with self._ledger.reading() as connection:
            due = deliveries.due(connection, AT_A_TIME, each=OF_ONE)
        if not due:
            return 0
        with ThreadPoolExecutor(len(due)) as threads:
            return sum(threads.map(self._tried, due))

    def _tried(self, which: DeliveryRow) -> bool:
        tries = self._ledger.write(lambda connection: deliveries.begin(connection, which))
        if tries is None:
            return False
        with self._ledger.reading() as connection:
            address = webhooks.address(connection, which.tenant, which.webhook_id)
        if address is None:
            self._give_up(which, Try(error="disabled"))
            return False
        headers = signed(which, address.secrets, at=int(self._clock()))
        try:
            answer = self._out.post(address.url, which.payload.encode(), headers)
        except Unanswered as error:
            self._failed(which, tries, Try(error=error.reason), None)
            return False
        came = Try(status=answer.status)
        if 200 <= answer.status < 300:
            self._ledger.write(lambda connection: deliveries.delivered(connection, which, came))
            return True
        self._failed(which, tries, came, answer.retry_after)
        return False

    def _failed(self, which: DeliveryRow, tries: int, came: Try, asked: float | None) -> None:
        log.info("webhook not taken", webhook=which.webhook_id, delivery=which.id, tries=tries, **_told(came))
        if came.status == GONE:
            self._give_up(which, came, failing=0.0)
        elif tries > len(PAUSES):
            self._give_up(which, came)
        else:
            seconds = pause(tries, asked)
            self._ledger.write(lambda connection: deliveries.again(connection, which, came, seconds=seconds))

    def _give_up(self, which: DeliveryRow, came: Try, *, failing: float = FAILING_SECONDS) -> None:
        if self._ledger.write(lambda connection: deliveries.given_up(connection, which, came, failing=failing)):
            log.warning("webhook disabled", webhook=which.webhook_id, tenant=which.tenant)


def pause(tries: int, asked: float | None = None) -> float:
    """Seconds until the next try, after so many: as long as the receiver asked for, if that is longer."""
    return max(PAUSES[tries - 1], min(asked or 0.0, LONGEST_ASKED)) * random.uniform(1, 1 + JITTER)


def signed(which: DeliveryRow, secrets: tuple[str, ...], *, at: int) -> dict[str, str]:
    """The headers of one try; equal tries at different moments have different signatures."""
    content = f"{which.id}.{at}.{which.payload}".encode()
    return {
        "content-type": "application/json",
        "webhook-id": which.id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{_signature(secret, content)}" for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def _told(came: Try) -> dict[str, int | str]:
    return {name: value for name, value in (("status", came.status), ("error", came.error)) if value is not None}
