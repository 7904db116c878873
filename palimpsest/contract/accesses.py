"""The log of accesses as it is told: everything that goes into its hashes, so that anybody can compute them."""

from palimpsest.contract.model import Told


class Access(Told):
    """One row. ``at`` is in seconds since 1970, exactly as it was hashed; ``docs/ledger.md`` has the formula.

    ``actor`` is the id of an API key, ``init``, or ``keyless``; ``subject`` is the id of what it was about, or empty.
    """

    seq: int
    at: float
    actor: str
    action: str
    subject: str
    previous: str
    hash: str


class AccessList(Told):
    """Some rows of the caller's tenant, oldest first; go on with ``?after=`` the last ``seq`` until there are none."""

    data: list[Access]
