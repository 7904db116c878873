"""The key that reports are signed with: an Ed25519 private key in a PEM file that only the sweeper reads.

    openssl genpkey -algorithm ed25519 -out signing-key.pem        and PALIMPSEST_SIGNING_KEY names it
    openssl pkey -in signing-key.pem -pubout                       is what those who verify have to be given

An embedded deployment makes its own under its home, once. Any other without a key leaves its reports unsigned.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from service.settings import Settings

PRIVATE, PUBLIC = "signing-key.pem", "signing-key.pub"


class SigningKeyUnusable(Exception):
    """The file that was named holds no Ed25519 private key."""


def signing_key(settings: Settings) -> Ed25519PrivateKey | None:
    """The key of this deployment, None where it has none. Raises SigningKeyUnusable."""
    if settings.signing_key is not None:
        return _read(settings.signing_key)
    return _own(settings.home.absolute()) if settings.embedded else None


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """Its public half, as those who verify take it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _read(file: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyUnusable(f"{file} is no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyUnusable(f"{file} is no Ed25519 key")
    return key


def _own(home: Path) -> Ed25519PrivateKey:
    """The key under this home, made if there is none; of several who make one at once all get the same."""
    file = home / PRIVATE
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with tempfile.NamedTemporaryFile(dir=home, prefix=PRIVATE) as new:  # readable by its owner only
            new.write(made)
            new.flush()
            os.fsync(new.fileno())
            with suppress(FileExistsError):
                os.link(new.name, file)
    key = _read(file)
    (home / PUBLIC).write_bytes(public_pem(key))
    return key
