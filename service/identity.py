"""The form an audit's id has; what has another is the id of nothing, and no database is asked what it makes of it."""

import re

from ledger.errors import NotFound

ID = re.compile(r"aud_[0-9A-Z]{26}")


def checked(audit_id: str) -> str:
    """The same id. Raises NotFound for what cannot be one."""
    if not ID.fullmatch(audit_id):
        raise NotFound(audit_id)
    return audit_id
