"""httpx in the words of ``exchange``: where to call, what is sent, what has come back."""

import os
import random

import httpx

from palimpsest import exchange
from palimpsest.exchange import Answer, Call, Pause, Unanswered

KEY_VARIABLE = "PALIMPSEST_API_KEY"
JITTER = 0.1  # pauses grow by up to a tenth, so that many clients do not return at once


def checked(base_url: str) -> httpx.URL:
    """The address as a URL; a ValueError says what is wrong with it."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{base_url!r} is no URL: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"{base_url!r} needs http:// or https:// and a host")
    return url


def credentials(api_key: str | None) -> dict[str, str]:
    """The headers that say who calls: with this key, else with the environment's; an empty one is none."""
    key = os.environ.get(KEY_VARIABLE) if api_key is None else api_key
    return {"authorization": f"Bearer {key}"} if key else {}


def hold(timeout: float) -> float:
    """For how long a poll may be held back: well within the seconds of one call."""
    return min(exchange.LONGEST_HOLD, timeout / 2)


def sendable(http: httpx.Client | httpx.AsyncClient, call: Call, *, quiet: float = 0.0) -> httpx.Request:
    """A call as httpx sends it; one whose answer is a stream may be ``quiet`` for so long."""
    request = http.build_request(call.method, call.path, params=call.query, headers=call.headers, content=call.body)
    limits = request.extensions["timeout"]
    limits["read"] = max(limits["read"], quiet)
    return request


def head(response: httpx.Response) -> Answer:
    """What is known of a response before its content is."""
    return Answer(response.status_code, dict(response.headers), b"")


def answer(response: httpx.Response) -> Answer:
    """A response in the words of ``exchange``."""
    return Answer(response.status_code, dict(response.headers), response.content)


def unanswered(error: httpx.RequestError) -> Unanswered:
    """A lost connection in the words of ``exchange``."""
    return Unanswered(f"{error.request.url}: {str(error) or type(error).__name__}")


def stretched(pause: Pause) -> float:
    """The seconds to sleep, jitter included."""
    return pause.seconds * (1 + JITTER * random.random())
