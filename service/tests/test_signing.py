"""Where the signing key comes from."""

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from palimpsest.renderings import dsse
from service.settings import Settings
from service.signing import PRIVATE, PUBLIC, SigningKeyUnusable, public_pem, signing_key

ELSEWHERE = "postgresql+psycopg://palimpsest@postgres/palimpsest"


def test_an_embedded_deployment_makes_its_own_once(tmp_path: Path) -> None:
    """Readable by nobody else, with its public half beside it, the same the next time; no temporary file is left."""
    home = tmp_path / "home"
    first, again = (signing_key(Settings(home=home)) for _ in range(2))
    assert first is not None
    assert again is not None
    assert public_pem(first) == public_pem(again) == (home / PUBLIC).read_bytes()
    assert stat.S_IMODE((home / PRIVATE).stat().st_mode) == 0o600
    assert sorted(file.name for file in home.iterdir()) == [PRIVATE, PUBLIC]


def test_of_several_that_begin_at_once_all_have_the_same(tmp_path: Path) -> None:
    """Eight threads, one key."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(signing_key, [Settings(home=tmp_path)] * 8))
    assert len({dsse.keyid(key.public_key()) for key in made if key is not None}) == 1


def test_any_other_deployment_has_none_unless_it_is_named(tmp_path: Path) -> None:
    """It is not made where nobody would keep it."""
    assert signing_key(Settings(home=tmp_path, ledger_url=ELSEWHERE)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_openssl_made_is_taken(tmp_path: Path) -> None:
    """By the very commands of the docstring; what openssl says is its public half is."""
    file = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", file], check=True, capture_output=True)
    told = subprocess.run(["openssl", "pkey", "-in", file, "-pubout"], check=True, capture_output=True).stdout
    key = signing_key(Settings(home=tmp_path, ledger_url=ELSEWHERE, signing_key=file))
    assert key is not None
    assert public_pem(key) == told


@pytest.mark.parametrize("algorithm", ["rsa", "x25519"])
def test_another_kind_of_key_is_refused(tmp_path: Path, algorithm: str) -> None:
    """RSA signs, X25519 cannot: neither is Ed25519."""
    file = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", algorithm, "-out", file], check=True, capture_output=True)
    with pytest.raises(SigningKeyUnusable, match="no Ed25519 key"):
        signing_key(Settings(home=tmp_path, signing_key=file))


def test_what_is_no_key_is_refused_by_name(tmp_path: Path) -> None:
    """A missing file, a folder, a text, a public key and one behind a password; the content is not repeated."""
    signing_key(Settings(home=tmp_path / "home"))
    (tmp_path / "text").write_text("secret text")
    locking = ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", str(tmp_path / "home" / PRIVATE)]
    subprocess.run([*locking, "-out", str(tmp_path / "locked")], check=True, capture_output=True)
    for file in ("missing", "home", "text", "locked", f"home/{PUBLIC}"):
        with pytest.raises(SigningKeyUnusable, match=f"{file} is no private key") as refused:
            signing_key(Settings(home=tmp_path, signing_key=tmp_path / file))
        assert "secret text" not in str(refused.value)
