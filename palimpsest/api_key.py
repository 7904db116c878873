"""How an API key is written: ``pal_<prefix>_<secret><checksum>``, letters and digits.

    prefix     12   names the key and is no secret
    secret     43   256 bits: 62^43 > 2^256
    checksum    6   CRC-32 of all that stands before it, in base 62: 62^6 > 2^32

A typo is found without asking anybody, and so is a key that lies about in a log or a repository: the form alone is met
by one text of this shape in four billion. The checksum protects nothing else: whether a key is good only the service
knows.
"""

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Self

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX, SECRET, CHECKSUM = 12, 43, 6
FORM = re.compile(rf"pal_([0-9A-Za-z]{{{PREFIX}}})_([0-9A-Za-z]{{{SECRET}}})([0-9A-Za-z]{{{CHECKSUM}}})")


@dataclass(frozen=True)
class ApiKey:
    """A key, taken apart."""

    prefix: str
    secret: str = field(repr=False)

    @classmethod
    def minted(cls) -> Self:
        """A new one, from the operating system's randomness."""
        return cls(_drawn(PREFIX), _drawn(SECRET))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The key that is written so; None where the form or the checksum is wrong."""
        found = FORM.fullmatch(text)
        if found is None or found[3] != checksum(text[:-CHECKSUM]):
            return None
        return cls(found[1], found[2])

    @property
    def text(self) -> str:
        """As its holder keeps it."""
        before = f"pal_{self.prefix}_{self.secret}"
        return before + checksum(before)


def checksum(before: str) -> str:
    """CRC-32 in base 62, the highest digit first."""
    rest, digits = zlib.crc32(before.encode()), ""
    for _ in range(CHECKSUM):
        rest, digit = divmod(rest, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def _drawn(length: int) -> str:
    return "".join(secrets.choice(DIGITS) for _ in range(length))
