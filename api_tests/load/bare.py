"""What the gateway is compared with: routes that do nothing but the least, on the same server, driver and pool.

``uvicorn --factory api_tests.load.bare:create``; ``LOAD_BODY`` names the file with the body that is answered,
``PALIMPSEST_LEDGER_URL`` the database.
"""

import json
import os
import uuid
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response

from ledger.database import Ledger
from palimpsest.contract.request import AuditRequest
from palimpsest.contract.status import AuditStatus

TABLE = "CREATE TABLE IF NOT EXISTS bare (id varchar(40) PRIMARY KEY, request text NOT NULL)"
ROW = "INSERT INTO bare (id, request) VALUES (%(id)s, %(request)s)"


def create() -> FastAPI:
    """The application."""
    app = FastAPI()
    body = Path(os.environ["LOAD_BODY"]).read_bytes()
    status = AuditStatus.model_validate_json(body)
    ledger = Ledger(os.environ["PALIMPSEST_LEDGER_URL"])
    with ledger.writing() as connection:
        connection.exec_driver_sql(TABLE)

    @app.get("/status/{audit_id}")
    async def get_status(audit_id: str) -> AuditStatus:
        """The same document every time, from a model, as FastAPI is written."""
        return status

    @app.get("/bytes/{audit_id}")
    async def get_bytes(audit_id: str) -> Response:
        """The same document every time, from memory."""
        return Response(body, media_type="application/json")

    @app.post("/rows", status_code=202)
    def insert_row(request: dict[str, Any]) -> dict[str, str]:
        """One row, durable."""
        row = {"id": uuid.uuid4().hex, "request": json.dumps(request)}
        with ledger.writing() as connection:
            connection.exec_driver_sql(ROW, row)
        return {"id": row["id"]}

    @app.post("/requests")
    async def read_request(request: AuditRequest) -> dict[str, int]:
        """A request read as FastAPI reads it."""
        return {"targets": len(request.targets or [])}

    return app
