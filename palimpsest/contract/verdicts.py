"""The words an audit may end in."""

from typing import Literal

VerdictName = Literal["not_memorized", "still_replicates", "concealed", "not_recovered", "not_detected", "inconclusive"]
VERDICTS: tuple[VerdictName, ...] = (
    "not_memorized",
    "still_replicates",
    "concealed",
    "not_recovered",
    "not_detected",
    "inconclusive",
)
Outcome = Literal["finding", "no_finding", "insufficient_evidence", "error"]
