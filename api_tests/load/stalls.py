"""How long a small request waits while large ones are read: the gateway beside a route that FastAPI reads itself."""

import base64
import io
import json
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from PIL import Image

from api_tests.load.stand import Stand

SIDE = 512
MEGABYTES = 31


def body() -> bytes:
    """A request of so many megabytes: pictures of noise, which do not compress."""
    noise = random.Random(0)
    file = io.BytesIO()
    Image.frombytes("RGB", (SIDE, SIDE), noise.randbytes(3 * SIDE * SIDE)).save(file, "PNG", compress_level=0)
    picture = {"media_type": "image/png", "base64": base64.b64encode(file.getvalue()).decode()}
    targets = MEGABYTES * 2**20 // len(picture["base64"])
    request = {"model": "bundled", "targets": [{"prompt": "noise", "images": [picture]} for _ in range(targets)]}
    return json.dumps(request).encode()


def stalls(stand: Stand, round_: int, content: bytes) -> list[dict[str, Any]]:
    """One large request to each of the two, and small ones to the same server all the while."""
    small = {"gateway": f"{stand.url}/healthz", "bare": f"{stand.bare}/bytes/x"}
    large = {"gateway": f"{stand.url}/v1/audits?validate_only=true", "bare": f"{stand.bare}/requests"}
    rows = []
    for name in ("bare", "gateway") if round_ % 2 else ("gateway", "bare"):
        waits, seconds = while_sending(large[name], content, small[name])
        rows.append(
            {
                "table": "stalls",
                "round": round_,
                "kind": name,
                "megabytes": round(len(content) / 2**20, 1),
                "seconds": round(seconds, 2),
                "small_requests": len(waits),
                "longest": round(1e3 * max(waits), 1),
                "median": round(1e3 * statistics.median(waits), 2),
            }
        )
    return rows


def while_sending(large: str, content: bytes, small: str) -> tuple[list[float], float]:
    """How long each of the small requests took while the large one was answered, and how long that took."""

    def send() -> float:
        began = time.perf_counter()
        headers = {"Content-Type": "application/json", "Idempotency-Key": "load-0000-0000-0000"}
        answer = httpx.post(large, content=content, headers=headers, timeout=120)
        assert answer.status_code == 200, answer.text
        return time.perf_counter() - began

    waits = []
    with httpx.Client() as client, ThreadPoolExecutor(1) as pool:
        client.get(small)
        sending = pool.submit(send)
        while not sending.done():
            began = time.perf_counter()
            client.get(small)
            waits.append(time.perf_counter() - began)
            time.sleep(0.002)
    return waits, sending.result()
