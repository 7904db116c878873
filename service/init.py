"""``python -m service.init``: the first admin key of a tenant, printed this once. It has every scope.

    python -m service.init                    the deployment's own tenant, ``local``
    python -m service.init --tenant acme      another, which there is from now on
    python -m service.init --again            one more, where the first is lost

The key goes to standard output and nowhere else; from then on every request needs one. Whoever can run this can write
the ledger anyway: it asks for no key.
"""

import argparse
import re
import sys
from collections.abc import Sequence

from ledger import keys
from ledger.catalogue import HOME
from ledger.database import UNREACHABLE, Ledger
from ledger.errors import LedgerError
from palimpsest.contract.keys import SCOPES, IssuedKey, NewKey
from service.callers import Caller
from service.keys import issue
from service.observability import cause
from service.opening import opened
from service.settings import Settings

ACTOR = "init"
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""A tenant's name is also that of a folder in the evidence store."""


class NotFirst(Exception):
    """The tenant has an admin key already."""


def first_key(ledger: Ledger, tenant: str, *, again: bool = False) -> IssuedKey:
    """A key with every scope that does not expire. Raises NotFirst, unless it is to be one more."""
    with ledger.reading() as connection:
        found = keys.lasting(connection, tenant, "admin")
    if found and not again:
        raise NotFirst(f"{tenant} has an admin key already, {found[-1].id}; --again makes one more")
    return issue(ledger, Caller(tenant, ACTOR, frozenset()), NewKey(name="admin", scopes=list(SCOPES)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    asked = parsed(arguments)
    try:
        ledger = opened(Settings())
        try:
            issued = first_key(ledger, asked.tenant, again=asked.again)
        finally:
            ledger.close()
    except (NotFirst, LedgerError, *UNREACHABLE) as error:
        say(str(error) if isinstance(error, NotFirst) else f"the ledger cannot be opened: {cause(error)}")
        return 1
    sys.stdout.write(issued.key + "\n")
    say(f"That is {issued.id}, an admin key of {asked.tenant}. It is not shown again; from now on requests need a key.")
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m service.init", description="Prints the first admin key, once.")
    parser.add_argument("--tenant", type=tenant_name, default=HOME, help=f"whose (default: {HOME})")
    parser.add_argument("--again", action="store_true", help="one more, though the tenant has one")
    return parser.parse_args(arguments)


def tenant_name(text: str) -> str:
    """The same text. Raises ArgumentTypeError for what cannot name a tenant."""
    if not TENANT.fullmatch(text):
        raise argparse.ArgumentTypeError("a tenant's name has up to 63 small letters, digits and hyphens")
    return text


def say(sentence: str) -> None:
    """To whoever started it; standard output belongs to the key."""
    sys.stderr.write(sentence + "\n")


if __name__ == "__main__":
    sys.exit(main())
