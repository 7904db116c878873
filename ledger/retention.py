"""How long evidence is kept after the end of its audit: the images of an audit go before its report does."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REPORT = "report"


class Retention(BaseSettings):
    """Read once at start from ``PALIMPSEST_RETENTION_*``: days by kind, and how slowly blobs are removed."""

    model_config = SettingsConfigDict(env_prefix="PALIMPSEST_RETENTION_", frozen=True, extra="ignore")

    report_days: float = Field(90.0, ge=0, description="reports, and whatever was exported from them")
    image_days: float = Field(7.0, ge=0, description="images that were drawn")
    target_image_days: float = Field(7.0, ge=0, description="images that came with a request")
    embedding_days: float = Field(7.0, ge=0, description="embeddings that a search found")
    artifact_days: float = Field(7.0, ge=0, description="what mitigations made")
    other_days: float = Field(7.0, ge=0, description="anything else")
    upload_days: float = Field(30.0, ge=0, description="uploaded images, from when they were last sent or named")
    grace_seconds: float = Field(
        86_400.0,
        ge=0,
        description="from condemning a blob to removing it: longer than a unit may last and than two clocks may differ",
    )
    collect_seconds: float = Field(60.0, ge=0, description="between two looks for evidence whose time is over")
    retire_batch: int = Field(1000, gt=0, description="rows of a kind removed at one look")
    remove_batch: int = Field(20, gt=0, description="blobs removed in one sweep, which has other things to do")

    @property
    def days(self) -> dict[str, float]:
        """By kind of evidence; ``other_days`` is for every kind that is not named."""
        return {
            "image": self.image_days,
            "target_image": self.target_image_days,
            "embedding": self.embedding_days,
            "artifact": self.artifact_days,
            REPORT: self.report_days,
        }

    @model_validator(mode="after")
    def _reports_outlive_their_images(self) -> Self:
        if self.report_days < max(*self.days.values(), self.other_days):
            raise ValueError("a report is kept at least as long as the evidence it tells of")
        return self
