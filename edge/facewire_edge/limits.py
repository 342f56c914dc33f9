"""How often something may happen."""

from __future__ import annotations

import time
from collections.abc import Callable


class Bucket:
    """Hold tokens that come back at a steady rate; what happens takes one."""

    def __init__(self, rate_hz: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_hz, self._burst, self._clock = rate_hz, burst, clock
        self._tokens, self._then_s = float(burst), clock()

    def take(self) -> bool:
        """Take a token if there is one."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def wait_s(self) -> float:
        """Give the time until there is a token."""
        self._refill()
        return max(0.0, (1 - self._tokens) / self._rate_hz)

    def _refill(self) -> None:
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._then_s) * self._rate_hz)
        self._then_s = now_s
