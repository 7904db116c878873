"""Where the record, the evidence and the doorbell are: three URLs, which are all that deployment changes."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Places(BaseSettings):
    """Read once at start from ``PALIMPSEST_*``; embedded defaults live under ``PALIMPSEST_HOME``."""

    model_config = SettingsConfigDict(env_prefix="PALIMPSEST_", frozen=True, extra="ignore")

    home: Path = Path(".palimpsest")
    ledger_url: str = ""
    evidence_url: str = ""
    broker_url: str = ""

    @property
    def ledger(self) -> str:
        """The database; SQLite under home unless named."""
        return self.ledger_url or f"sqlite:///{self.home.absolute() / 'ledger.sqlite'}"

    @property
    def evidence(self) -> str:
        """The blob store; a folder under home unless named."""
        return self.evidence_url or (self.home.absolute() / "evidence").as_uri()

    @property
    def broker(self) -> str:
        """The Celery broker; folders under home unless named."""
        return self.broker_url or "filesystem://"

    @property
    def broker_folder(self) -> Path:
        """Where the embedded transport keeps its messages."""
        return self.home.absolute() / "broker"

    @property
    def embedded(self) -> bool:
        """True when the ledger is this machine's own SQLite file, which the processes may upgrade by themselves."""
        return self.ledger.startswith("sqlite")
