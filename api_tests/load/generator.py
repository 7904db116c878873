"""wrk: so many connections that each ask again as soon as they are answered."""

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ledger.tests.servers import find

DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.3f,"errors":%d,"p50":%.3f,"p95":%.3f,"p99":%.3f}\\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.timeout + e.status,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
"""

SUBMIT = """
local file = io.open("%s", "r"); local body = file:read("*a"); file:close()
local count = 0
request = function()
  count = count + 1
  local headers = {["Content-Type"] = "application/json", ["Idempotency-Key"] = string.format("%s-%%012d", count)}
  for name, value in pairs(wrk.headers) do headers[name] = value end
  return wrk.format("POST", nil, headers, body)
end
"""

IN_TURN = """
local ids = {}
for line in io.lines("%s") do ids[#ids + 1] = line end
local count = 0
request = function()
  count = count %% #ids + 1
  return wrk.format("GET", "/v1/audits/" .. ids[count])
end
"""


@dataclass(frozen=True)
class Measured:
    """What a round came to; latencies in milliseconds. An error is a connection lost or a status of 400 and more."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float

    @property
    def row(self) -> dict[str, Any]:
        """As a raw row has it."""
        return {**asdict(self), "per_second": round(self.requests / self.seconds, 1)}


def ask(
    url: str,
    *,
    connections: int,
    seconds: float,
    scripts: Path,
    script: str = "",
    headers: dict[str, str] | None = None,
) -> Measured:
    """Ask for so long."""
    file = scripts / "wrk.lua"
    file.write_text(script + DONE)
    named = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
    command = [find("wrk", package="wrk"), "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(file), *named, url]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Measured(**json.loads(told.splitlines()[-1]))
