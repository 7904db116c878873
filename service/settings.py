"""Every knob of the gateway, the sweeper and the launcher, read once at start from ``PALIMPSEST_*``."""

from pathlib import Path

from pydantic import Field

from ledger.places import Places


class Settings(Places):
    """Where things are (``Places``), where the gateway listens, what it takes, and how the sweeper paces itself."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    body_limit: int = Field(32 * 2**20, gt=0, description="bytes of one request's body")
    pixel_limit: int = Field(2**28, gt=0, description="pixels of one request's images together")
    tail_seconds: float = Field(0.25, gt=0, description="between two looks for new events of audits that are followed")
    streams_per_tenant: int = Field(500, ge=0, description="event streams and waiting polls at a time, on one gateway")
    gateways: int = Field(1, ge=1, description="gateways behind one address; each gives out its share of the rates")
    rate_seconds: float = Field(60.0, gt=0, description="the window of the two rates")
    rate_of_key: int = Field(3000, ge=0, description="requests of one API key in a window; 0: any number")
    rate_of_tenant: int = Field(12_000, ge=0, description="requests of a tenant's keys together; 0: any number")
    quota_audits: int = Field(100, ge=0, lt=2**31, description="audits a tenant may have open at once; 0: any number")
    quota_targets: int = Field(10_000, ge=0, lt=2**31, description="targets of these together; 0: any number")
    outbound_private_hosts: tuple[str, ...] = Field((), description="hosts of one's own network webhooks may be on")
    metrics_seconds: float = Field(5.0, ge=0, description="GET /metrics asks the ledger at most once in so long")
    sweep_seconds: float = Field(1.0, gt=0, description="between two sweeps")
    publish_batch: int = Field(100, gt=0, description="messages a publisher takes from the outbox at a time")
    publish_seconds: float = Field(10.0, gt=0, description="for how long they are its own")
    ring_again_seconds: float = Field(60.0, gt=0, description="units nobody claims for so long are announced again")
    render_limit: int = Field(32 * 2**20, gt=0, description="bytes of a report that is rendered for other tools")
    signing_key: Path | None = Field(None, description="PEM file of an Ed25519 key that reports are signed with")
    ring_again_batch: int = Field(100, gt=0, description="units of a family of models announced again at a time")
