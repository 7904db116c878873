"""The report's JSON Schema.

``python -m palimpsest.contract.schema`` writes docs/report.schema.json, ``--check`` verifies it. The file is
what a reader without Python validates a report against. Equal contracts give equal bytes.
"""

import argparse
import json
import sys
from pathlib import Path

from palimpsest.contract.report import SCHEMA_VERSION, AuditReport

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PLACE = Path(__file__).parents[2] / "docs" / "report.schema.json"


def text() -> str:
    """The schema as the file has it."""
    head = {"$schema": DIALECT, "$id": f"urn:palimpsest:report:{SCHEMA_VERSION}"}
    return json.dumps(head | AuditReport.model_json_schema(mode="serialization"), indent=2, ensure_ascii=False) + "\n"


def is_current(place: Path = PLACE) -> bool:
    """Whether a file holds the schema of this contract."""
    return place.is_file() and place.read_text(encoding="utf-8") == text()


def main() -> None:
    """Write the schema, or with ``--check`` leave with a sentence if it is stale."""
    parser = argparse.ArgumentParser(prog="python -m palimpsest.contract.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="verify the file, write nothing")
    if not parser.parse_args().check:
        PLACE.write_text(text(), encoding="utf-8")
    elif not is_current():
        sys.exit(f"{PLACE} is not the schema of this contract: run python -m palimpsest.contract.schema")


if __name__ == "__main__":
    main()
