"""What a caller would prefer (RFC 7240): of all there may be, ``wait=N`` is understood, and the rest passed over."""

import re

LONGEST_WAIT = 30
"""Seconds an answer is held back at most; many a proxy gives up after 60."""

WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?')


def wait(prefer: str | None) -> int:
    """The seconds the caller is ready to wait for something new, within bounds; 0 where it does not say.

    ``Prefer: respond-async, wait=100`` is 30. The first that is named counts, as the RFC has it.
    """
    for preference in (prefer or "").split(","):
        found = WAIT.fullmatch(preference.partition(";")[0].strip().lower())
        if found:
            return min(int(found[1]), LONGEST_WAIT)
    return 0
