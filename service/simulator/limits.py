"""The limits that the simulator enforces: requests and tokens per minute, and concurrency.

Buckets hold one second's worth, so a client that keeps its pace is never refused and one that bursts is. A request
reserves its prompt and `max_tokens` and is corrected when it is answered. One that is larger than the bucket waits for
a full one and leaves it in debt, so every request can be served that takes no more than a minute's tokens. A day begins
with the first request; what was served in it is not given back.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from service.simulator.asked import Refusal
from service.simulator.options import Options

Clock = Callable[[], float]
DAY_S = 86_400.0


class Bucket:
    """A token bucket; `per_minute` flows in evenly. The clock counts seconds."""

    def __init__(self, per_minute: float, clock: Clock) -> None:
        self.per_minute, self.capacity = per_minute, max(per_minute / 60, 1.0)
        self._clock, self._at, self._level = clock, clock(), self.capacity

    @property
    def level(self) -> float:
        """What is there now; below zero, what is owed."""
        now = self._clock()
        self._level = min(self.capacity, self._level + (now - self._at) * self.per_minute / 60)
        self._at = now
        return self._level

    def wait(self, amount: float) -> float:
        """Return the seconds until `amount` can be taken, 0 when it can be now."""
        return max(min(amount, self.capacity) - self.level, 0.0) / self.per_minute * 60

    def halve(self) -> None:
        """Let half as much flow in from now on."""
        self._level = min(self.level, self.capacity / 2)
        self.per_minute, self.capacity = self.per_minute / 2, max(self.capacity / 2, 1.0)

    def take(self, amount: float) -> None:
        """Take, into debt if need be; a negative amount gives back."""
        self._level = min(self.capacity, self.level - amount)


class Limiter:
    """Lets requests in or refuses them, and counts those inside."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._today, self._day_ends = 0, -math.inf
        per_minute = {"requests": options.rpm, "tokens": options.tpm}
        self._buckets = {kind: Bucket(rate, clock) for kind, rate in per_minute.items() if rate}
        self._halve_after, self._halves_at = options.halve_after, math.inf
        self.in_flight = self.peak = 0

    def enter(self, tokens: int) -> None:
        """Let a request in that may take `tokens`; raises Refusal (429) where a limit forbids it."""
        most = self._options.max_concurrency
        if most is not None and self.in_flight >= most:
            raise self.refused("concurrency", f"Too many concurrent requests: Limit {most}.")
        amounts = [(kind, bucket, 1 if kind == "requests" else tokens) for kind, bucket in self._buckets.items()]
        self._enter_day()
        self._halve_when_due()
        for kind, bucket, amount in amounts:
            if kind == "tokens" and amount > bucket.per_minute:
                words = f"Request too large on tokens per min: Limit {bucket.per_minute:g}, Requested {amount}."
                raise Refusal(429, words, "too_large", code="rate_limit_exceeded")
            if wait := bucket.wait(amount):
                limit = f"Rate limit reached on {kind} per min: Limit {bucket.per_minute:g}, Requested {amount}."
                raise self.refused(kind, f"{limit} Please try again in {_duration(wait)}.", wait)
        for _, bucket, amount in amounts:
            bucket.take(amount)
        self._today += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def _enter_day(self) -> None:
        now, most = self._clock(), self._options.rpd
        if now >= self._day_ends:
            self._today, self._day_ends = 0, now + DAY_S
        if most is not None and self._today >= most:
            left = math.ceil(self._day_ends - now)
            words = f"Rate limit reached on requests per day (RPD): Limit {most}, Used {self._today}."
            words += f" Please try again in {_duration(left)}."
            raise Refusal(429, words, "day", code="rate_limit_exceeded", headers={"retry-after": str(left)})

    def _halve_when_due(self) -> None:
        """Count from the first request on."""
        now = self._clock()
        if self._halve_after is not None:
            self._halves_at, self._halve_after = now + self._halve_after, None
        if now >= self._halves_at:
            self._halves_at = math.inf
            for bucket in self._buckets.values():
                bucket.halve()

    def refused(self, kind: str, message: str, wait_s: float = 0.5) -> Refusal:
        """Return a 429 that tells how long to wait, in whole seconds and in milliseconds, as hosted APIs do.

        `--retry-after` stands in place of what the bucket really needs.
        """
        wait_s = wait_s if self._options.retry_after is None else self._options.retry_after
        advice = {"retry-after": str(math.ceil(wait_s)), "retry-after-ms": str(math.ceil(wait_s * 1000))}
        return Refusal(429, message, kind, code="rate_limit_exceeded", headers=self.headers() | advice)

    def leave(self) -> None:
        self.in_flight -= 1

    def correct(self, reserved: int, used: int) -> None:
        """Replace the tokens that a request reserved by those that it took."""
        if bucket := self._buckets.get("tokens"):
            bucket.take(used - reserved)

    def headers(self) -> dict[str, str]:
        """Return the `x-ratelimit-*` headers as they stand; none where nothing is limited."""
        found = {}
        for kind, bucket in self._buckets.items():
            found[f"x-ratelimit-limit-{kind}"] = f"{bucket.per_minute:g}"
            found[f"x-ratelimit-remaining-{kind}"] = str(max(int(bucket.level), 0))
            found[f"x-ratelimit-reset-{kind}"] = _duration(bucket.wait(bucket.capacity))
        return found


def _duration(seconds: float) -> str:
    """Write a time as OpenAI's headers do: 12ms, 1.5s, 6m0s."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:.0f}s" if minutes else f"{rest:.3g}s"
