"""Private between gateway and worker of one release: what crosses the broker besides the contract.

A message names a unit that may be claimed and carries nothing else: no prompts, no images, no parameters.
"""

from pathlib import Path
from typing import Any

PERFORM = "palimpsest.perform"
UNITS_QUEUE = "palimpsest.units"
HARD_LIMIT_SECONDS = 1800


def queue_of(family: str | None) -> str:
    """Where the bells for a family of models are rung; every worker hears those for no family in particular."""
    return UNITS_QUEUE if family is None else f"{UNITS_QUEUE}.{family}"


def celery_settings(broker_url: str, broker_folder: Path) -> dict[str, Any]:
    """The Celery configuration both sides share: JSON only, no results, and no wait without an end.

    Visibility and retry settings follow measurements of Celery 5.7 on Redis 7: a result backend makes a POST hang in
    an outage, an unbounded socket waits for a frozen broker for ever, and a short visibility timeout starts long work
    twice (docs/decisions/0004-the-broker-is-a-doorbell.md).
    """
    return {
        "broker_url": broker_url,
        "broker_transport_options": _transport(broker_url, broker_folder),
        "broker_connection_retry_on_startup": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_backend": None,
        "task_ignore_result": True,
        "task_default_queue": UNITS_QUEUE,
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_time_limit": HARD_LIMIT_SECONDS,
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": False,
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
    }


def _transport(broker_url: str, broker_folder: Path) -> dict[str, Any]:
    if broker_url.startswith("filesystem"):
        folders = {name: broker_folder / name for name in ("queue", "processed", "control")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        return {
            "polling_interval": 0.1,
            "data_folder_in": str(folders["queue"]),
            "data_folder_out": str(folders["queue"]),
            "processed_folder": str(folders["processed"]),
            "control_folder": str(folders["control"]),
        }
    return {
        "visibility_timeout": HARD_LIMIT_SECONDS + 600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "global_keyprefix": "palimpsest:",
    }
