"""Whether a file is a pickle, told by its first bytes. Nothing is unpickled to find out.

A pickle runs whatever it says when it is opened, and a scanner of its opcodes can be got round; so none is opened at
all. Recognized are pickles of protocol 2 and later by their first two opcodes, those of protocols 0 and 1, which begin
with no mark, by running through their opcodes without performing them, and zip archives, which is how PyTorch packs
them today.
"""

import pickletools

LOOKED_AT = 2**16
"""Bytes at the beginning of a file."""

SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz")
"""Of files that are pickles, or may hold some."""

_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_PROTOCOLS = range(1, 6)
_OPCODES = {opcode.code for opcode in pickletools.opcodes}
_FINDS = {"GLOBAL", "INST"}
"""What a pickle of protocol 0 names code by."""


def is_pickled(beginning: bytes) -> bool:
    """Whether a file that begins so is a pickle or an archive that may hold some."""
    if beginning.startswith(_ARCHIVE):
        return True
    if beginning[:1] == b"\x80" and len(beginning) > 2:
        # The length of a safetensors header may begin alike (640 is 80 02 00 …), but 00 is no opcode.
        return beginning[1] in _PROTOCOLS and chr(beginning[2]) in _OPCODES
    return _without_a_mark(beginning)


def _without_a_mark(beginning: bytes) -> bool:
    seen = set()
    try:
        for opcode, _, _ in pickletools.genops(beginning):
            seen.add(opcode.name)
    except ValueError:  # a letter that is no opcode, or an argument that is none: any other text
        return False
    return bool(seen & _FINDS)
