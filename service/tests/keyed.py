"""Keys for tests, and the service as the holder of one sees it."""

from collections.abc import Sequence
from typing import Any

from ledger.catalogue import HOME
from palimpsest.contract.keys import SCOPES, IssuedKey, NewKey, Scope
from service.callers import Caller
from service.keys import issue
from service.tests.conftest import Bench


def a_key(bench: Bench, *scopes: Scope, tenant: str = HOME, days: int | None = None) -> IssuedKey:
    """A key of this tenant, with these scopes or all."""
    asked = NewKey(name="a test's", scopes=list(scopes or SCOPES), days=days)
    issued = issue(bench.ledger, Caller(tenant, "init", frozenset()), asked)
    bench.client.app.state.desk.keyring.forget()  # type: ignore[attr-defined]
    return issued


def bearing(key: IssuedKey | str) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {key if isinstance(key, str) else key.key}"}


def ask(bench: Bench, key: IssuedKey | str | None, path: str = "/v1/audits", method: str = "GET", **more: Any) -> Any:
    """One request, with this key or none."""
    headers = {**more.pop("headers", {}), **({} if key is None else bearing(key))}
    return bench.client.request(method, path, headers=headers, **more)


def codes(answers: Sequence[Any]) -> list[tuple[int, str]]:
    """Status and code of each refusal."""
    return [(answer.status_code, answer.json()["code"]) for answer in answers]
