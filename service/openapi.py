"""The OpenAPI document, as the gateway serves it.

``python -m service.openapi`` writes docs/openapi.json, ``--check`` verifies it; ``service.compatibility`` compares it
with the last release's. Equal routes give equal bytes.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from service.app import create_app
from service.dispatch import RecordingDispatch
from service.settings import Settings

PLACE = Path(__file__).parents[1] / "docs" / "openapi.json"


def text() -> str:
    """The document as the file has it, of a gateway in an empty folder."""
    with TemporaryDirectory() as name:
        settings = Settings(home=Path(name), ledger_url="", evidence_url="")
        ledger = Ledger(settings.ledger)
        try:
            evidence = EvidenceStore(settings.evidence)
            document = create_app(settings, ledger=ledger, evidence=evidence, dispatch=RecordingDispatch()).openapi()
        finally:
            ledger.close()
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def is_current(place: Path = PLACE) -> bool:
    """Whether a file holds the document of these routes."""
    return place.is_file() and place.read_text(encoding="utf-8") == text()


def main() -> None:
    """Write the document, or with ``--check`` leave with a sentence if it is stale."""
    parser = argparse.ArgumentParser(prog="python -m service.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="verify the file, write nothing")
    if not parser.parse_args().check:
        PLACE.write_text(text(), encoding="utf-8")
    elif not is_current():
        sys.exit(f"{PLACE} is not the document of these routes: run python -m service.openapi")


if __name__ == "__main__":
    main()
