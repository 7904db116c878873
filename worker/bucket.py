"""Models from an S3-compatible store, through the ledger's own seam to it; AWS_* variables say where and as whom.

Only what the layout has is asked for, in blocks, up to the bound on a model's bytes.
"""

from pathlib import Path, PurePosixPath

from ledger.blobs import Blobs, blobs_at
from worker.engine.errors import SourceRefused, SourceUnreachable
from worker.engine.folder import BLOCK_BYTES
from worker.engine.vetting import LAYOUT, MOST_BYTES, wanted
from worker.sources import S3


def download(source: S3, into: Path) -> None:
    """What the layout has below the prefix, into a folder. Raises SourceRefused or SourceUnreachable."""
    try:
        blobs = blobs_at(f"s3://{source.bucket}/{source.prefix}".rstrip("/"))
        paths = _listed(blobs)
        if not paths:
            raise SourceRefused(f"the bucket {source.bucket} holds nothing of a model below this prefix")
        room = MOST_BYTES
        for path in paths:
            room -= _copied(blobs, path, into, room)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise SourceRefused(f"the bucket {source.bucket} is not given out: {type(error).__name__}") from None
    except OSError as error:
        raise SourceUnreachable(f"{source.bucket} could not be downloaded: {type(error).__name__}") from None


def _listed(blobs: Blobs) -> list[PurePosixPath]:
    found = [
        PurePosixPath(place, name) for place in LAYOUT for name in blobs.names("" if place == "." else place) if name
    ]
    return [path for path in found if wanted(path)]


def _copied(blobs: Blobs, path: PurePosixPath, into: Path, room: int) -> int:
    """Bytes copied; raises SourceRefused when there are more than ``room``."""
    (into / path).parent.mkdir(parents=True, exist_ok=True)
    copied = 0
    with (into / path).open("xb") as file:
        for block in blobs.blocks(str(path), BLOCK_BYTES):
            copied += len(block)
            if copied > room:
                raise SourceRefused("the prefix holds more than a model may")
            file.write(block)
    return copied
