"""Envelopes: signed here, verified there, and nothing that was touched on the way."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from palimpsest.errors import NotVerified
from palimpsest.renderings import dsse
from palimpsest.tests.renderings.keys import KEY, OTHER, pem

PUBLIC = KEY.public_key()


def opened(envelope: bytes) -> dict[str, Any]:
    """An envelope to be tampered with."""
    return dict(json.loads(envelope))


def closed(told: Any) -> bytes:
    """The envelope again."""
    return json.dumps(told).encode()


def test_the_encoding_is_the_specifications_own_example() -> None:
    """``DSSEv1 29 http://example.com/HelloWorld 11 hello world``, from the protocol's page."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_in_bytes() -> None:
    """ü takes two: without that two different messages could be signed as one."""
    assert dsse.pae("ü", "ü ü".encode()) == "DSSEv1 2 ü 5 ü ü".encode()


@given(st.binary(max_size=200))
def test_what_is_signed_is_verified(payload: bytes) -> None:
    """Byte for byte, whatever it is."""
    assert dsse.verified(dsse.signed(payload, KEY), [OTHER.public_key(), PUBLIC]) == payload


def test_an_independent_implementation_verifies_it() -> None:
    """securesystemslib accepts the envelope under our key, and not under another, and not once a byte has changed."""
    envelope = dsse.signed(b'{"a": 1}', KEY)
    trusted = SSlibKey.from_crypto(PUBLIC, keyid=dsse.keyid(PUBLIC))
    assert Envelope.from_dict(opened(envelope)).verify([trusted], 1) == {trusted.keyid: trusted}
    stranger = SSlibKey.from_crypto(OTHER.public_key(), keyid=dsse.keyid(PUBLIC))
    with pytest.raises(VerificationError):
        Envelope.from_dict(opened(envelope)).verify([stranger], 1)
    changed = opened(envelope) | {"payload": base64.b64encode(b'{"a": 2}').decode()}
    with pytest.raises(VerificationError):
        Envelope.from_dict(changed).verify([trusted], 1)


def test_an_independent_implementations_envelope_is_verified() -> None:
    """The other way round, with securesystemslib's own signer and PAE."""
    foreign = Envelope(b"hello", dsse.IN_TOTO, {})
    foreign.sign(CryptoSigner(KEY, SSlibKey.from_crypto(PUBLIC)))
    assert dsse.verified(closed(foreign.to_dict()), [PUBLIC]) == b"hello"


def test_both_alphabets_of_base64_are_read() -> None:
    """The specification asks verifiers for that: three bytes of ones are //// in one and ____ in the other."""
    told = opened(dsse.signed(b"\xff\xff\xff", KEY))
    assert told["payload"] == "////"
    told["payload"] = "____"
    told["signatures"][0]["sig"] = told["signatures"][0]["sig"].replace("+", "-").replace("/", "_")
    assert dsse.verified(closed(told), [PUBLIC]) == b"\xff\xff\xff"


def test_a_keyid_is_a_hint_and_never_believed() -> None:
    """A wrong one, or none, changes nothing; a right one does not help a wrong key."""
    told = opened(dsse.signed(b"x", KEY))
    for signature in ({"keyid": "somebody else's"}, {}):
        renamed = told | {"signatures": [{"sig": told["signatures"][0]["sig"]} | signature]}
        assert dsse.verified(closed(renamed), [PUBLIC]) == b"x"
    forged = opened(dsse.signed(b"x", OTHER))
    forged["signatures"][0]["keyid"] = dsse.keyid(PUBLIC)
    with pytest.raises(NotVerified):
        dsse.verified(closed(forged), [PUBLIC])


def test_one_good_signature_among_others_is_enough() -> None:
    """Envelopes may bear several."""
    told = opened(dsse.signed(b"x", OTHER))
    told["signatures"].append(opened(dsse.signed(b"x", KEY))["signatures"][0])
    assert dsse.verified(closed(told), [PUBLIC]) == b"x"


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another payload": lambda told: told | {"payload": base64.b64encode(b"y").decode()},
    "another type": lambda told: told | {"payloadType": "application/vnd.in-toto+jsom"},
    "a type that was not signed": lambda told: told | {"payloadType": "text/plain"},
    "no signature": lambda told: told | {"signatures": []},
    "signatures that are none": lambda told: told | {"signatures": {"sig": "x"}},
    "a signature that is no text": lambda told: told | {"signatures": [{"sig": 1}, "sig", None]},
    "a short signature": lambda told: told | {"signatures": [{"sig": "AAAA"}]},
    "base64 that is none": lambda told: told | {"payload": "eA=!"},
    "letters outside ASCII": lambda told: told | {"payload": "ä"},
    "no payload": lambda told: {"payloadType": told["payloadType"], "signatures": told["signatures"]},
    "a payload that is no text": lambda told: told | {"payload": 1},
    "a list": lambda told: [told],
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_touched_is_not_verified(change: str) -> None:
    """One error for all of it, and never another."""
    with pytest.raises(NotVerified):
        dsse.verified(closed(CHANGES[change](opened(dsse.signed(b"x", KEY)))), [PUBLIC])


@given(st.binary(max_size=300) | st.just(b"[" * 100_000))
def test_anything_at_all_is_refused_as_such(content: bytes) -> None:
    """Bytes from anywhere: no traceback, whatever they are."""
    with pytest.raises(NotVerified):
        dsse.verified(content, [PUBLIC])


def test_without_a_key_nothing_is_verified() -> None:
    """An empty list of trusted keys trusts nobody."""
    with pytest.raises(NotVerified):
        dsse.verified(dsse.signed(b"x", KEY), [])


def test_the_keyid_is_what_openssl_says(tmp_path: Path) -> None:
    """sha256 of the key's DER, from the command in the docstring."""
    (tmp_path / "key.pub").write_bytes(pem(KEY))
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", tmp_path / "key.pub", "-outform", "DER"], capture_output=True, check=True
    ).stdout
    told = subprocess.run(["sha256sum"], input=der, capture_output=True, check=True).stdout
    assert dsse.keyid(PUBLIC) == told.decode().split()[0]


def test_keys_of_another_kind_are_refused() -> None:
    """A P-256 key, a text that is no key, and nothing."""
    other = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for content in (other, b"not a key", b""):
        with pytest.raises(ValueError, match="not "):
            dsse.public_key(content)
    assert dsse.keyid(dsse.public_key(pem(KEY))) == dsse.keyid(PUBLIC)
