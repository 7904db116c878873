"""Opening the ledger: an embedded one is this machine's own and is upgraded, any other must already be current."""

from ledger.database import Ledger
from service.settings import Settings


def opened(settings: Settings) -> Ledger:
    """The ledger of these settings, ready to be used by the process that calls this."""
    return made_current(Ledger(settings.ledger), settings)


def made_current(ledger: Ledger, settings: Settings) -> Ledger:
    """The same ledger, with this code's schema. Raises SchemaOutOfDate where upgrading is somebody's decision."""
    if settings.embedded:
        ledger.upgrade()
    else:
        ledger.require_current()
    return ledger
