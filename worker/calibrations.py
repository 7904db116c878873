"""Detectors' calibrations by what they rest on, the model's digest first; the one used longest ago leaves first.

A calibration costs as much as a few hundred prompts, and depends on no audit's targets: audits of one model share it.
A record says what its calibration cost when it was made, so a report's cost does not depend on who asked before.
"""

from collections.abc import Hashable

from palimpsest.contract.methods import DetectorParams
from worker.engine.audit import counted
from worker.engine.detection import calibrate, neutral_scores
from worker.engine.records import CalibrationRecord
from worker.engine.setting import Setting

MOST = 64


class Calibrations:
    """What one worker process has calibrated so far, at most ``most`` of it."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._records: dict[Hashable, CalibrationRecord] = {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, setting: Setting, params: DetectorParams) -> CalibrationRecord:
        """The detector's calibration on this model, made if it is not at hand. Raises MethodFailed."""
        key = rests_on(setting, params)
        record = self._records.pop(key, None) or calibration(setting, params)
        self._records[key] = record
        while len(self._records) > self.most:
            del self._records[next(iter(self._records))]
        return record.model_copy(update={"detector": params.name})


def rests_on(setting: Setting, params: DetectorParams) -> Hashable:
    """All that a calibration is a function of."""
    asked = params.model_dump_json(exclude={"id"})
    return setting.model.digest, asked, setting.sampler, setting.seed, tuple(setting.neutral)


def calibration(setting: Setting, params: DetectorParams) -> CalibrationRecord:
    """The detector heard on the neutral prompts, and its threshold."""
    with counted(setting) as cost:
        neutral = neutral_scores(setting, params)
    threshold = calibrate(neutral, params.false_positive_rate)
    return CalibrationRecord(detector=params.name, neutral=neutral, threshold=threshold, cost=cost())
