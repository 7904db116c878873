"""Whether the gateway would be open to others than this machine, which it never is without keys."""

from ledger import keys
from ledger.database import Ledger
from service.alive import Listening
from service.callers import is_loopback
from service.settings import Settings


class Exposed(Exception):
    """The gateway is to listen to others than this machine, and there is no key that they could be asked for."""


def keys_are_required(ledger: Ledger, settings: Settings) -> bool:
    """Whether there is a key, so that everybody has to have one. Raises Exposed.

    Where uvicorn is told another address on its command line this does not see it; then requests are refused one by one
    (``service/callers.py``).
    """
    with ledger.reading() as connection:
        if keys.any_exists(connection):
            return True
    hosts = settings.host, Listening().host
    exposed = [host for host in hosts if not is_loopback(host)]
    if exposed:
        raise Exposed(
            f"there is no API key yet, and the gateway is told to listen on {exposed[0]}, where others reach it. Make "
            "the first key, in the same environment: python -m service.init"
        )
    return False
