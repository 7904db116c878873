"""``python -m service.quota TENANT``: what a tenant may have open at once, told, set or left to the deployment again.

It runs where the service does, on its ledger: a key with ``admin`` is the tenant's own and cannot raise its quota.
"""

import argparse
import sys
from collections.abc import Sequence

from ledger import quota
from ledger.database import UNREACHABLE
from ledger.errors import LedgerError
from ledger.quota import Quota
from service.observability import cause
from service.opening import opened
from service.settings import Settings


def of_the_deployment(settings: Settings) -> Quota:
    """What holds for every tenant without one of its own."""
    return Quota(settings.quota_audits, settings.quota_targets)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    asked, settings = parsed(arguments), Settings()
    try:
        ledger = opened(settings)
        try:
            with ledger.writing() as connection:
                if asked.default:
                    quota.forget(connection, asked.tenant)
                before = quota.own(connection, asked.tenant) or of_the_deployment(settings)
                now = Quota(
                    before.audits if asked.audits is None else asked.audits,
                    before.targets if asked.targets is None else asked.targets,
                )
                if now != before:
                    quota.set_for(connection, asked.tenant, now)
        finally:
            ledger.close()
    except (LedgerError, *UNREACHABLE) as error:
        sys.stderr.write(f"the ledger cannot be opened: {cause(error)}\n")
        return 1
    sys.stdout.write(
        f"{asked.tenant}: {_told(now.audits, 'audits')} and {_told(now.targets, 'targets')} open at once\n"
    )
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m service.quota", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tenant")
    parser.add_argument("--audits", type=_count, help="audits open at once, 0 for any number")
    parser.add_argument("--targets", type=_count, help="targets of these together, 0 for any number")
    parser.add_argument("--default", action="store_true", help="forget the tenant's own first")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError("a whole number from 0 to 2147483647")
    return int(text)


def _told(most: int, what: str) -> str:
    return f"{most or 'any number of'} {what}"


if __name__ == "__main__":
    sys.exit(main())
