"""The first key of a tenant, and that a gateway without one is closed to others than this machine."""

import os
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from ledger import accesses, keys
from ledger.database import Ledger
from ledger.tests.servers import wait_until
from palimpsest.api_key import ApiKey
from palimpsest.contract.keys import SCOPES
from service.exposure import Exposed, keys_are_required
from service.init import NotFirst, first_key
from service.settings import Settings
from service.tests.conftest import Bench, Served
from service.tests.keyed import a_key, ask
from service.up import ROOT, gateway


def run(settings: Settings, *words: str, **told: str) -> subprocess.CompletedProcess[str]:
    """A command in the surroundings of this ledger."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PALIMPSEST_HOME": str(settings.home), **told}
    return subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_command_prints_the_key_once(settings: Settings) -> None:
    """Into an empty folder; on standard output alone, for a shell to keep. A second one has to be asked for."""
    first = run(settings, "-m", "service.init")
    assert first.returncode == 0, first.stderr
    key = ApiKey.read(first.stdout.removesuffix("\n"))
    assert key is not None
    assert key.secret not in first.stderr
    again = run(settings, "-m", "service.init")
    assert (again.returncode, again.stdout, "--again" in again.stderr) == (1, "", True)
    ledger = Ledger(settings.ledger)
    with ledger.reading() as connection:
        [row] = keys.listed(connection, "local")
        assert (row.prefix, set(row.scopes), row.expires_at) == (key.prefix, set(SCOPES), None)
        [access] = accesses.after(connection, "local", 0)
        assert (access.actor, access.action, access.subject) == ("init", "key.issued", row.id)
    ledger.close()


def test_each_tenant_has_a_first_key(bench: Bench) -> None:
    """One more for the same only if that is said; then both are good, each for its own tenant."""
    first = first_key(bench.ledger, "local")
    with pytest.raises(NotFirst, match=first.id):
        first_key(bench.ledger, "local")
    others = [first_key(bench.ledger, "local", again=True), first_key(bench.ledger, "acme")]
    for key in (first, *others):
        assert ask(bench, key).status_code == 200


def test_a_tenant_locked_out_by_itself_gets_another(bench: Bench) -> None:
    """Whose admin key was revoked, or will expire, has none to rely on."""
    first = first_key(bench.ledger, "local")
    ask(bench, first, f"/v1/admin/keys/{first.id}", "DELETE")
    a_key(bench, "admin", days=1)
    assert first_key(bench.ledger, "local").id != first.id


@pytest.mark.parametrize("tenant", ["", "-a", "A", "a/b", "..", "a" * 64, "a b"])
def test_a_tenants_name_is_fit_for_a_folder(settings: Settings, tenant: str) -> None:
    """Small letters, digits and hyphens: usage otherwise, and no ledger is made."""
    assert run(settings, "-m", "service.init", f"--tenant={tenant}").returncode == 2
    assert not (settings.home / "ledger.sqlite").exists()


def test_a_gateway_without_keys_listens_to_this_machine_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it was told the address; with a key it may listen everywhere."""
    everywhere = Settings(home=bench.settings.home, host="0.0.0.0")
    assert not keys_are_required(bench.ledger, bench.settings)
    with pytest.raises(Exposed, match=r"0\.0\.0\.0.*python -m service\.init"):
        keys_are_required(bench.ledger, everywhere)
    monkeypatch.setenv("UVICORN_HOST", "::")
    with pytest.raises(Exposed, match="listen on ::,"):
        keys_are_required(bench.ledger, bench.settings)
    a_key(bench)
    assert keys_are_required(bench.ledger, everywhere)


def test_the_process_ends_with_a_sentence(settings: Settings, port: int) -> None:
    """And no traceback, before it listens."""
    told = {"PALIMPSEST_HOST": "0.0.0.0", "PALIMPSEST_PORT": str(port)}
    ended = run(settings, *gateway(Settings(host="0.0.0.0", port=port))[1:], **told)
    assert ended.returncode == 1
    assert "palimpsest: there is no API key yet" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_from_the_first_key_to_a_revoked_one(bench: Bench, served: Callable[..., Served]) -> None:
    """Real processes: open at first, closed by ``init`` within seconds; then keys are made and taken by command."""
    url = served().url
    assert httpx.get(f"{url}/v1/audits").status_code == 200
    admin = run(bench.settings, "-m", "service.init").stdout.strip()

    def palimpsest(*words: str) -> subprocess.CompletedProcess[str]:
        told = {"PALIMPSEST_URL": url, "PALIMPSEST_API_KEY": admin}
        return run(bench.settings, "-m", "palimpsest.cli", "admin", "keys", *words, **told)

    wait_until(lambda: httpx.get(f"{url}/v1/audits").status_code == 401, "nobody to be let in without a key")
    issued = palimpsest("create", "ci", "--scope", "audits:read", "--days", "1").stdout.strip()
    headers = {"Authorization": f"Bearer {issued}"}
    assert httpx.get(f"{url}/v1/audits", headers=headers).status_code == 200
    [key_id] = [line.split()[0] for line in palimpsest("list").stdout.splitlines() if "ci" in line.split()]
    assert palimpsest("revoke", key_id).stdout == f"key {key_id} revoked\n"
    assert httpx.get(f"{url}/v1/audits", headers=headers).json()["code"] == "API_KEY_INVALID"
    refused = palimpsest("revoke", "key_" + "0" * 26)
    assert (refused.returncode, "API_KEY_NOT_FOUND" in refused.stderr) == (4, True)
