"""Audits in flight, one in each state an upgrade may find them in, dumped as SQL.

    python -m ledger.tests.dumps.in_flight ledger.sqlite                        # a new SQLite file
    python -m ledger.tests.dumps.in_flight postgresql+psycopg://…/an-empty-database

The dumps beside this file were made by running it, as it was, at the commit whose schema they are named after, then
``sqlite3 ledger.sqlite .dump`` and ``pg_dump --no-owner --no-acl``.
"""

import json
import sys
from pathlib import Path

from ledger import catalogue, events, intake
from ledger.database import Ledger
from ledger.evidence import Kept
from ledger.stages import StagePlan, UnitPlan
from ledger.tests.driver import ENGINE, TENANT, Driver, report

REQUEST = json.loads((Path(__file__).parents[3] / "docs" / "first-audit.json").read_text())
IMAGES = [{"media_type": "image/png", "sha256": digit * 64} for digit in "12"]
"""As the gateway records images that came with a request."""


def stages() -> list[StagePlan]:
    """Two batches, a mitigation per target and a joint one."""
    batches = (0, 1)
    return [
        StagePlan("baseline", [UnitPlan("baseline", {"batch": batch}) for batch in batches]),
        StagePlan("mitigate:nemo", [UnitPlan("mitigate", {"mitigation": "nemo", "batch": b}) for b in batches]),
        StagePlan(
            "probe:nemo", [UnitPlan("probe", {"mitigation": "nemo", "batch": b}) for b in batches], ["mitigate:nemo"]
        ),
        StagePlan("mitigate:wanda", [UnitPlan("mitigate", {"mitigation": "wanda", "batch": None})]),
        StagePlan(
            "probe:wanda", [UnitPlan("probe", {"mitigation": "wanda", "batch": b}) for b in batches], ["mitigate:wanda"]
        ),
        report("baseline", "mitigate:nemo", "probe:nemo", "mitigate:wanda", "probe:wanda"),
    ]


def submit(drive: Driver, name: str, model: str = "bundled", deadline: float | None = None) -> str:
    """An audit labelled with what it is an example of."""
    request = {**REQUEST, "model": model}
    return drive.submit(request=request, model_id=model, labels={"example": name}, key=name, deadline_seconds=deadline)


def running(drive: Driver, name: str) -> str:
    """Its plan is written down."""
    audit_id = submit(drive, name)
    drive.finish(drive.claim(audit_id, "plan"), planned=stages())
    return audit_id


def write(drive: Driver) -> None:
    """Every example."""
    with drive.ledger.writing() as connection:
        cards = [{"id": "bundled", "family": "sd1", "digest": "d" * 64}, {"id": "other", "family": "sdxl"}]
        catalogue.publish(connection, TENANT, engine=ENGINE, cards=cards, method_cards=[{"kind": "nemo"}])
    submit(drive, "queued")
    submit(drive, "queued for another family", model="other")
    submit(drive, "past its deadline", deadline=-1.0)
    with_images = {**REQUEST, "target_set": None, "targets": [{"prompt": "a", "images": IMAGES}]}
    drive.submit(request=with_images, labels={"example": "with images"}, key="with images")

    middle = running(drive, "in the middle")
    drive.publish()
    drive.finish(drive.claim(middle, "baseline", 0), Kept("image-0", "image", "a" * 64, "image/png", 3))
    drive.fail(drive.claim(middle, "baseline", 1), again=True)
    drive.finish(drive.claim(middle, "mitigate:nemo", 0), Kept("edit", "artifact", "b" * 64, "application/x", 4))
    drive.renew(drive.claim(middle, "mitigate:nemo", 1), progress=0.25)
    drive.finish(drive.claim(middle, "mitigate:wanda"))
    drive.fail(drive.claim(middle, "probe:wanda", 0), again=False)
    for _ in range(2):
        drive.claim(middle, "probe:wanda", 1, lease=-1)
    drive.claim(middle, "probe:wanda", 1)

    cancelling = running(drive, "being cancelled")
    drive.claim(cancelling, "baseline", 0)
    drive.cancel(cancelling)

    last = drive.planned(report("plan"), request=REQUEST, labels={"example": "before its report"}, key="last")
    drive.claim(last, "report")

    ended = drive.planned(report("plan"), request=REQUEST, labels={"example": "succeeded"}, key="ended")
    drive.finish(drive.claim(ended, "report"), Kept("report.json", "report", "e" * 64, "application/json", 5))
    failed = submit(drive, "failed")
    drive.fail(drive.claim(failed, "plan"), again=False)
    with drive.ledger.writing() as connection:
        events.record(connection, TENANT, middle, "note", {"in": "flight"})
        intake.submit(connection, "another", drive.submission(request=REQUEST, labels={"example": "queued"}))


def main(url: str) -> None:
    """Entry point."""
    ledger = Ledger(url if "://" in url else f"sqlite:///{url}")
    ledger.upgrade()
    write(Driver(ledger))
    ledger.close()


if __name__ == "__main__":
    main(sys.argv[1])
