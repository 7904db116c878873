"""What a unit of work leaves behind for the report: plain data, small, without pixels."""

from typing import Any

from pydantic import BaseModel

from palimpsest.contract.report import Detected, LocalJudge, Referenced, Replication, StageCost
from palimpsest.contract.request import Region


class ItemRecord(BaseModel):
    """One item on one model, by probe id; None where the probe could not be asked.

    ``region`` is where it was judged, None for the whole image: a control is an item in each of the targets' regions.
    """

    item_id: str
    role: str
    group: str
    probes: dict[str, Replication | None]
    region: Region | None = None


class ProbeRecord(BaseModel):
    """A batch of items on one model; ``mitigation`` is None for the unmitigated one."""

    mitigation: str | None
    items: list[ItemRecord]
    cost: StageCost


class MitigationRecord(BaseModel):
    """A mitigation of a batch of targets. ``drift`` holds 1 − similarity per group and neutral prompt."""

    mitigation: str
    scope: str | None
    what: str
    size: int
    off: dict[str, int]
    drift: dict[str, list[float]]
    notes: list[str]
    cost: StageCost


class CalibrationRecord(BaseModel):
    """What a detector's threshold rests on: its scores of the neutral prompts of one model."""

    detector: str
    neutral: list[float]
    threshold: float
    cost: StageCost


class DetectionRecord(BaseModel):
    """One detector on the prompts of a batch."""

    detector: str
    items: list[Detected]
    cost: StageCost


class ReferenceRecord(BaseModel):
    """What stands in for the images of a batch's targets that came without one."""

    items: list[Referenced]
    cost: StageCost


class RegionRecord(BaseModel):
    """The judges of all items in one region."""

    region: Region
    items: list[LocalJudge]
    cost: StageCost


class TriggerRecord(BaseModel):
    """Searches for triggers from one kind of start; ``file`` is the digest of those found, None where there is none.

    ``images`` says whose each of them is.
    """

    start: str
    images: list[str]
    tried: int
    file: str | None
    cost: StageCost


class AnalysisRecord(BaseModel):
    """An analysis of one mitigation, for a batch of targets or for all; ``result`` is the analysis's own JSON."""

    result: dict[str, Any]
    cost: StageCost
