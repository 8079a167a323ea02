"""AWS's quotas and prices, each with its source, and what a month costs by them.

Read on 2026-11-28 in stored copies of the pages named, for us-east-1, without free tiers, discounts and taxes. In other
regions Lambda costs mostly the same, API Gateway and CloudWatch up to a fifth more: check before you decide.
"""

import math
from typing import NamedTuple

type Tiers = list[tuple[float, float]]
"""How much the tier holds and its price a unit; the last one holds all the rest."""

MONTH_S = 730 * 3600
MILLION = 1e6

# https://aws.amazon.com/lambda/pricing/
REQUEST = 0.20 / MILLION
# x86_64; arm64 costs a fifth less
GB_SECOND: Tiers = [(6e9, 0.0000166667), (9e9, 0.000015), (math.inf, 0.0000133334)]
PROVISIONED_GB_SECOND = 0.0000041667  # while it is kept; as published for us-east-1, check
PROVISIONED_RUN_GB_SECOND = 0.0000097222  # while it runs, in the place of GB_SECOND
SNAPSHOT_GB_SECOND = 0.0000015046  # SnapStart's cache, a version; as published for us-east-1, check
RESTORE_GB = 0.0001397998  # a restore from it, by the function's memory; as published for us-east-1, check

# https://aws.amazon.com/api-gateway/pricing/, as AWS's whitepaper "Best Practices for Designing Amazon API Gateway
# Private APIs" has it: REST and HTTP API, a request (an HTTP API counts one for each 512 KB)
REST: Tiers = [(333e6, 3.50 / MILLION), (667e6, 2.80 / MILLION), (19e9, 2.38 / MILLION), (math.inf, 1.51 / MILLION)]
HTTP: Tiers = [(300e6, 1.00 / MILLION), (math.inf, 0.90 / MILLION)]

# https://aws.amazon.com/cloudwatch/pricing/: GB taken in; what Lambda logs is tiered since 2025-05-01
LAMBDA_LOGS: Tiers = [(10e3, 0.50), (20e3, 0.25), (20e3, 0.10), (math.inf, 0.05)]
LOGS = 0.50

# https://aws.amazon.com/xray/pricing/, and X-Ray's default sampling rule: one request a second, and 5 % of the others
TRACE = 5.00 / MILLION
SAMPLED = 0.05


class Account(NamedTuple):
    """The quotas of an account in a region, as AWS sets them unless asked for more.

    Sources: docs.aws.amazon.com/lambda/latest/dg/{gettingstarted-limits,lambda-concurrency,scaling-behavior}.html and
    docs.aws.amazon.com/apigateway/latest/developerguide/limits.html.

    Attributes:
        concurrency: executions at once, of all functions. A new account has fewer, such as 10.
        reserved: of these, what others have for themselves: ScoreMaximumConcurrency of template.yaml.
        per_concurrency: requests a second that Lambda takes for each unit of concurrency.
        environments: new ones a function gets at once, and again in each ten seconds, continuously.
        gateway_rate: requests a second to all APIs together. 2,500 in some regions, such as Spain, Milan and Zurich.
        gateway_burst: tokens of that bucket; AWS sets it by the rate.
    """

    concurrency: int = 1000
    reserved: int = 10
    per_concurrency: int = 10
    environments: int = 1000
    gateway_rate: float = 10_000
    gateway_burst: float = 5_000

    @property
    def lambda_rate(self) -> float:
        """Requests a second that Lambda takes."""
        return self.per_concurrency * self.concurrency

    @property
    def free(self) -> int:
        """Executions at once that the API's function can have."""
        return self.concurrency - self.reserved


class Use(NamedTuple):
    """What is billed, for a rate that is kept all month.

    Attributes:
        rate: requests a second.
        milliseconds: that one takes.
        megabytes: of the function's memory.
        log_bytes: of a request in the function's log group.
        access_bytes: of a request in the API's access log.
    """

    rate: float
    milliseconds: float
    megabytes: int
    log_bytes: int
    access_bytes: int

    @property
    def requests(self) -> float:
        """Requests a month."""
        return self.rate * MONTH_S

    @property
    def billed_ms(self) -> int:
        """Lambda rounds up to the next millisecond."""
        return math.ceil(self.milliseconds - 1e-9)

    @property
    def gb_seconds(self) -> float:
        """GB-seconds a month."""
        return self.requests * self.billed_ms / 1000 * self.megabytes / 1024


def tiered(amount: float, tiers: Tiers) -> float:
    """What an amount costs where its parts have prices of their own."""
    cost = 0.0
    for size, price in tiers:
        part = min(amount, size)
        cost += part * price
        amount -= part
    return cost


def month(use: Use) -> dict[str, float]:
    """Dollars a month by what they are for; both kinds of API, of which one has one."""
    return {
        "Lambda requests": use.requests * REQUEST,
        "Lambda GB-s": tiered(use.gb_seconds, GB_SECOND),
        "function's logs": tiered(use.requests * use.log_bytes / 1e9, LAMBDA_LOGS),
        "access log": use.requests * use.access_bytes / 1e9 * LOGS,
        "X-Ray": (MONTH_S + SAMPLED * max(use.rate - 1, 0) * MONTH_S) * TRACE,
        "REST API": tiered(use.requests, REST),
        "HTTP API": tiered(use.requests, HTTP),
    }


def total(costs: dict[str, float], gateway: str) -> float:
    """The sum with one kind of API: `REST API` or `HTTP API`."""
    return sum(cost for name, cost in costs.items() if not name.endswith("API") or name == gateway)


def provisioned(environments: float, use: Use) -> float:
    """Dollars a month for environments that are kept, over what the requests cost without them."""
    gigabytes = use.megabytes / 1024
    kept = environments * gigabytes * MONTH_S * PROVISIONED_GB_SECOND
    return kept + use.gb_seconds * PROVISIONED_RUN_GB_SECOND - tiered(use.gb_seconds, GB_SECOND)
