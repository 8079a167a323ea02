"""Requests played against Lambda's quotas, one after the other: a discrete-event simulation.

An arrival takes an environment that is idle, the one that was used last; else a new one, which first has a cold start;
else it is refused (429), as a synchronous request is: nothing waits. How Lambda chooses, how its buckets refill within
a second and when it reclaims what is idle is not published: these are the simplest readings of its documentation.
"""

import heapq
from collections import Counter, deque
from typing import NamedTuple

import numpy as np

from benchmarks.scale.aws import Account

SPREAD = 0.3
"""Of a request's time, log-normal: its p99 is twice its median, which is what benchmarks.http holds the server to."""


class Load(NamedTuple):
    """What comes, and what it takes.

    Attributes:
        rate: requests a second, Poisson.
        seconds: how long.
        milliseconds: that a request keeps an environment busy, on average.
        cold_ms: that a new environment takes before its first one.
        ramp: seconds in which the rate rises evenly from nothing.
        provisioned: environments that are there from the start and stay.
        idle: seconds after which an idle environment is gone. Minutes in practice; AWS promises nothing.
    """

    rate: float
    seconds: float
    milliseconds: float
    cold_ms: float
    ramp: float = 0.0
    provisioned: int = 0
    idle: float = 300.0


class Outcome(NamedTuple):
    """What became of them.

    Attributes:
        requests: how many came.
        refused: how many of them were, by the quota that did it.
        cold: how many had a cold start.
        busy: environments at work when a request came, on average.
        environments: the most that there were at once, working or idle.
        latencies: milliseconds of those that were answered; API Gateway's and the network's are not in them.
    """

    requests: int
    refused: Counter[str]
    cold: int
    busy: float
    environments: int
    latencies: np.ndarray[tuple[int], np.dtype[np.float64]]


class _Bucket:
    """Tokens that come back evenly, up to a limit."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.tokens, self.then = rate, burst, burst, 0.0

    def take(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.then) * self.rate)
        self.then = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def arrivals(load: Load, random: np.random.Generator) -> list[float]:
    """When requests come: a Poisson process, by the inverse of how many are expected until a moment."""
    expected = load.rate * (load.seconds - min(load.ramp, load.seconds) / 2)
    counted = np.cumsum(random.exponential(size=int(expected + 6 * expected**0.5 + 10)))
    rising = load.rate * load.ramp / 2
    times = np.where(
        counted < rising, np.sqrt(2 * load.ramp * counted / load.rate), counted / load.rate + load.ramp / 2
    )
    found: list[float] = times[times < load.seconds].tolist()
    return found


class _Environments:
    """Those of one function: at work, idle and provisioned."""

    def __init__(self, load: Load) -> None:
        self.busy: list[tuple[float, bool]] = []  # a heap: when it ends, and whether it is provisioned
        self.idle: deque[float] = deque()  # since when, in that order
        self.ready = load.provisioned
        self._kept = load.idle

    def bring_to(self, now: float) -> None:
        """End what is done by now, and reclaim what has been idle for too long."""
        while self.busy and self.busy[0][0] <= now:
            since, is_provisioned = heapq.heappop(self.busy)
            if is_provisioned:
                self.ready += 1
            else:
                self.idle.append(since)
        while self.idle and self.idle[0] < now - self._kept:
            self.idle.popleft()

    def begin(self, now: float, taking: float, cold: float) -> float:
        """Put one to work, `cold` seconds later if it has to be made; how long that and the work take."""
        is_provisioned = self.ready > 0
        if is_provisioned:
            self.ready -= 1
        elif self.idle:
            self.idle.pop()
        else:
            taking += cold
        heapq.heappush(self.busy, (now + taking, is_provisioned))
        return taking


def simulate(load: Load, account: Account, seed: int = 0) -> Outcome:
    """Play one load against an account's quotas; the same seed gives the same outcome."""
    random = np.random.default_rng(seed)
    times = arrivals(load, random)
    takes = random.lognormal(-(SPREAD**2) / 2, SPREAD, len(times)) * load.milliseconds / 1000
    gateway = _Bucket(account.gateway_rate, account.gateway_burst)
    invokes = _Bucket(account.lambda_rate, account.lambda_rate)
    scaling = _Bucket(account.environments / 10, account.environments)
    all_of_them = _Environments(load)
    cold, working, most = 0, 0, 0
    refused: Counter[str] = Counter()
    latencies = []
    for now, taking in zip(times, takes.tolist(), strict=True):
        all_of_them.bring_to(now)
        at_work, free = len(all_of_them.busy), len(all_of_them.idle) + all_of_them.ready
        working += at_work
        if not gateway.take(now):
            refused["API Gateway requests/s"] += 1
        elif not invokes.take(now):
            refused["Lambda requests/s"] += 1
        elif at_work >= account.free:
            refused["concurrency"] += 1
        elif not free and not scaling.take(now):
            refused["scaling rate"] += 1
        else:
            cold += not free
            latencies.append(all_of_them.begin(now, taking, load.cold_ms / 1000) * 1000)
            most = max(most, at_work + max(free, 1))
    average = working / len(times) if times else 0.0
    return Outcome(len(times), refused, cold, average, most, np.array(latencies))
