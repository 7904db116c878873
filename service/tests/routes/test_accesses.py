"""The log of accesses over HTTP: what is told suffices to check it."""

import hashlib
import json

from service.tests.conftest import Bench
from service.tests.keyed import a_key, ask, codes

LOG = "/v1/admin/accesses"


def test_whoever_reads_the_log_can_check_it(bench: Bench) -> None:
    """Every hash is that of the seven words before it, the first is bound to 64 zeros, and numbers have no gaps."""
    admin = a_key(bench, tenant="acme")
    for _ in range(3):
        ask(bench, admin, "/v1/admin/keys")
    a_key(bench, tenant="other")
    told = ask(bench, admin, LOG).json()["data"]
    assert [row["action"] for row in told] == ["key.issued", *["keys.listed"] * 3]
    before = "0" * 64
    for number, row in enumerate(told, start=1):
        words = [before, "acme", number, row["at"], row["actor"], row["action"], row["subject"]]
        assert (row["seq"], row["previous"]) == (number, before)
        before = hashlib.sha256(json.dumps(words, separators=(",", ":")).encode()).hexdigest()
        assert row["hash"] == before


def test_it_is_read_page_by_page(bench: Bench) -> None:
    """Behind a number, up to a limit; behind the last there is nothing, and reading adds nothing."""
    admin = a_key(bench)
    for _ in range(3):
        ask(bench, admin, "/v1/admin/keys")
    pages = [ask(bench, admin, f"{LOG}?after={after}&limit=3").json()["data"] for after in (0, 3, 4)]
    assert [[row["seq"] for row in page] for page in pages] == [[1, 2, 3], [4], []]
    wrong = [ask(bench, admin, f"{LOG}?{query}") for query in ("after=-1", "after=9e99", "limit=0", "limit=1001")]
    assert set(codes(wrong)) == {(422, "MALFORMED_REQUEST")}
