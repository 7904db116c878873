"""How often a key, and a tenant, may ask: a bucket of tokens each, in this process.

    tokens(t) = min(q, tokens(s) + (t − s) · q / w)       a request takes one, or is refused when there is none

q requests at once after a rest, q in w seconds in the long run. A gateway is given its share, q / gateways, so that no
request waits for somebody else's count (docs/decisions/0016-buckets-are-the-gateways-own.md). Every answer says what
is left, in the fields of draft-ietf-httpapi-ratelimit-headers: ``r`` requests may be spread over the next ``t``
seconds; where ``r`` is 0, nothing is to be had before ``t``.
"""

import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from palimpsest.contract.problems import Code
from service.errors import Refusal
from service.settings import Settings

MOST_KEPT = 10_000
"""Buckets of a policy, those used longest ago forgotten first; one that is forgotten is full."""
PART = 0.1
"""Of the quota, which is there again when somebody who was refused is asked to come back."""
JITTER = 0.1
"""Up to so much longer, so that not all come back at once."""


@dataclass
class Bucket:
    """So many tokens, at a moment."""

    tokens: float
    at: float


class Left(NamedTuple):
    """What a bucket says after a request: whether there was a token for it, and what is left."""

    policy: str
    taken: bool
    remaining: int
    seconds: int

    @property
    def told(self) -> str:
        """An item of the field RateLimit."""
        return f'"{self.policy}";r={self.remaining};t={self.seconds}'


class Policy:
    """``quota`` requests in ``window`` seconds for everybody who is told apart; 0 stands for any number."""

    def __init__(self, name: str, quota: float, window: float) -> None:
        self.name, self.quota, self.window = name, quota, window
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    @property
    def told(self) -> str:
        """An item of the field RateLimit-Policy."""
        return f'"{self.name}";q={math.floor(self.quota)};w={math.ceil(self.window)}'

    def take(self, who: str, now: float) -> Left:
        """One token of theirs, if there is one."""
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = Bucket(self.quota, now)
            if len(self._buckets) > MOST_KEPT:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(who)
        rate = self.quota / self.window
        bucket.tokens, bucket.at = min(self.quota, bucket.tokens + (now - bucket.at) * rate), now
        taken = bucket.tokens >= 1
        if taken:
            bucket.tokens -= 1
            return Left(self.name, taken, int(bucket.tokens), math.ceil((self.quota - bucket.tokens) / rate))
        missing = max(1.0, self.quota * PART) - bucket.tokens
        return Left(self.name, taken, 0, math.ceil(missing / rate * random.uniform(1, 1 + JITTER)))

    def give_back(self, who: str) -> None:
        """The request was refused for another reason."""
        self._buckets[who].tokens += 1


class Limits:
    """Lives on the event loop."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        window, share = settings.rate_seconds, 1 / settings.gateways
        policies = (
            Policy("key", _share(settings.rate_of_key, share), window),
            Policy("tenant", _share(settings.rate_of_tenant, share), window),
        )
        self._policies = [policy for policy in policies if policy.quota]
        self._clock = clock
        self._told = ", ".join(policy.told for policy in self._policies)

    def take(self, tenant: str, actor: str) -> dict[str, str]:
        """Count a request; the fields its answer is to bear. Raises RateLimited."""
        now, names = self._clock(), {"key": actor, "tenant": tenant}
        left: list[Left] = []
        for policy in self._policies:
            left.append(policy.take(names[policy.name], now))
            if not left[-1].taken:
                for earlier in self._policies[: len(left) - 1]:
                    earlier.give_back(names[earlier.name])
                raise RateLimited(left[-1], self._told)
        return {"RateLimit-Policy": self._told, "RateLimit": ", ".join(each.told for each in left)} if left else {}


class RateLimited(Refusal):
    """Too many requests in too short a time."""

    def __init__(self, left: Left, policies: str) -> None:
        whose = "this API key" if left.policy == "key" else "the keys of this tenant together"
        super().__init__(
            Code.RATE_LIMITED,
            f"{whose} asked too often; come back in {left.seconds} s",
            headers={"Retry-After": str(left.seconds), "RateLimit-Policy": policies, "RateLimit": left.told},
        )


def _share(quota: int, share: float) -> float:
    """A gateway's; one request at least, where there is a limit at all."""
    return max(1.0, quota * share) if quota else 0.0
