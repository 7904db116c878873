"""``python -m service.alive``: the gateway's health check from inside its container, where there is no curl.

Exits with 0 when GET /healthz on this machine answers 200 within two seconds, with 1 otherwise.
"""

import sys
from contextlib import closing
from http.client import HTTPConnection, HTTPException

from pydantic_settings import BaseSettings, SettingsConfigDict

SECONDS = 2.0


class Listening(BaseSettings):
    """Where uvicorn was told to listen: it reads the same variables."""

    model_config = SettingsConfigDict(env_prefix="UVICORN_")

    host: str = "127.0.0.1"
    port: int = 8000


def answers(port: int) -> bool:
    """Whether the gateway on this machine's port says that it is well."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


if __name__ == "__main__":
    sys.exit(0 if answers(Listening().port) else 1)
