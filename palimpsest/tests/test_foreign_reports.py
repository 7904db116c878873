"""A report from anywhere, given to gate, compare or page: one of ours, or not understood; never another error."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from palimpsest import sentence
from palimpsest.comparing import difference
from palimpsest.contract.policy import GatePolicy
from palimpsest.contract.report import AuditReport
from palimpsest.errors import NotUnderstood
from palimpsest.exchange import parsed_report
from palimpsest.judging import judge
from palimpsest.tests.example import a_report

WHOLE = (Path(__file__).parent / "golden" / "report.json").read_bytes()
FIELDS = sorted(json.loads(WHOLE))
VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just([]) | st.just({}) | st.just([{}])
)


def read(content: bytes) -> AuditReport | None:
    """The report, used as the commands use it; None where it is none."""
    try:
        report = parsed_report(content)
    except NotUnderstood:
        return None
    assert judge(report, GatePolicy()).answer in ("pass", "finding", "inconclusive", "error", "not_applicable")
    assert sentence.told(report)
    difference(a_report(), report)
    return report


@given(st.binary(max_size=300) | st.just(b"[" * 100_000) | st.integers(0, len(WHOLE) - 2).map(lambda n: WHOLE[:n]))
def test_what_is_no_report_or_half_of_one(content: bytes) -> None:
    """Is not understood."""
    assert read(content) is None


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=3))
def test_a_report_with_other_values(values: dict[str, object]) -> None:
    """Is read and used, or is not understood."""
    read(json.dumps({**json.loads(WHOLE), **values}).encode())
