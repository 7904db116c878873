"""Whose signatures there are: the public halves of the keys that have signed reports."""

from datetime import datetime

from palimpsest.contract.model import Told


class SigningKey(Told):
    """An Ed25519 public key in PEM; ``keyid`` is the sha256 of its DER, ``since`` the first report it has signed."""

    keyid: str
    pem: str
    since: datetime


class SigningKeyList(Told):
    """``GET /v1/signing-keys``, the newest first."""

    data: list[SigningKey]
