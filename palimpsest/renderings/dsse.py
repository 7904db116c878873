"""DSSE envelopes, signed and verified with Ed25519: https://github.com/secure-systems-lab/dsse, version 1.0.

    PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body        lengths in bytes, in decimal
    signature       = Ed25519(PAE(payloadType, payload))

A keyid is the sha256 of the public key's DER (SubjectPublicKeyInfo). It is nothing but a hint: whoever verifies tries
the keys they trust, whatever the envelope says, and reads the very bytes that were verified.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from palimpsest.errors import NotVerified
from palimpsest.renderings.original import written

IN_TOTO = "application/vnd.in-toto+json"


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed."""
    kind = payload_type.encode()
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])


def keyid(key: Ed25519PublicKey) -> str:
    """``openssl pkey -pubin -in key.pub -outform DER | sha256sum`` says the same."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def signed(payload: bytes, key: Ed25519PrivateKey, *, payload_type: str = IN_TOTO) -> bytes:
    """The envelope of a payload, under one signature."""
    signature = {"keyid": keyid(key.public_key()), "sig": _base64(key.sign(pae(payload_type, payload)))}
    return written({"payload": _base64(payload), "payloadType": payload_type, "signatures": [signature]})


def public_key(pem: bytes) -> Ed25519PublicKey:
    """A public key from its PEM file. Raises ValueError for anything but an Ed25519 one."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not the PEM file of a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def verified(envelope: bytes, keys: Sequence[Ed25519PublicKey], *, payload_type: str = IN_TOTO) -> bytes:
    """The payload, if one of these keys has signed it. Raises NotVerified."""
    told = _read(envelope)
    if told["payloadType"] != payload_type:
        raise NotVerified(f"the envelope holds {told['payloadType']!r}, not {payload_type}")
    payload = _bytes(told["payload"])
    message = pae(payload_type, payload)
    if not any(_holds(key, signature, message) for signature in _signatures(told) for key in keys):
        raise NotVerified("none of the signatures is of a key that was given")
    return payload


def _holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _read(envelope: bytes) -> dict[str, Any]:
    try:
        told = json.loads(envelope)
    except (ValueError, RecursionError) as error:
        raise NotVerified("not an envelope: no JSON") from error
    texts = ("payload", "payloadType")
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in texts):
        raise NotVerified("not an envelope: payload or payloadType is missing")
    return told


def _signatures(told: dict[str, Any]) -> Iterator[bytes]:
    listed = told.get("signatures")
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and isinstance(each.get("sig"), str):
            yield _bytes(each["sig"])


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    """Either alphabet of base64, as the specification has it."""
    try:
        return base64.b64decode(text.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotVerified("not an envelope: what should be base64 is not") from error
