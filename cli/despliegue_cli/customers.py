"""Customers of a deployed stack: an API key each, in the stack's usage plan or one of their own. The one place for it.

What is made here is tagged with the stack, and nothing without that tag is listed or removed: the stack's first key is
CloudFormation's.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from despliegue.errors import DespliegueError, shorten

TAG: Final = "despliegue:stack"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,99}")
_STACK: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")


class Limits(msgspec.Struct, frozen=True):
    """What one customer may ask; None leaves it at what the stack's usage plan says.

    Attributes:
        rate: requests a second, over time.
        burst: requests at once.
        quota: requests in a period.
        period: DAY, WEEK or MONTH.
    """

    rate: float | None = None
    burst: int | None = None
    quota: int | None = None
    period: str | None = None


class Granted(msgspec.Struct, frozen=True):
    """What one customer may ask, as his usage plan says; members as in `Limits`."""

    rate: float
    burst: int
    quota: int
    period: str


class Customer(msgspec.Struct, frozen=True):
    """A customer, without the key.

    Attributes:
        name: the key's name.
        id: the key's id.
        plan: the usage plan's id; empty if the key is in none, and opens nothing.
        own_plan: whether that plan is the customer's own.
        created: when, in UTC.
        enabled: whether the key opens the API.
    """

    name: str
    id: str
    plan: str
    own_plan: bool
    created: datetime
    enabled: bool


class Used(msgspec.Struct, frozen=True):
    """Requests of one day, in UTC, and how many were left of the quota at its end."""

    day: date
    requests: int
    left: int


class Customers:
    """The customers of a stack.

    Args:
        stack: the stack, as CloudFormation calls it.
        region: its AWS region; empty for the one that AWS's tools are set to.

    Raises:
        DespliegueError: there is no such stack, it has no API keys, or AWS refuses to tell.
    """

    def __init__(self, stack: str, region: str = "") -> None:
        try:
            import boto3  # here: only these commands, and the inbox, need it
        except ImportError as error:
            raise DespliegueError("this needs boto3, which is not installed; `make serve` installs it") from error
        if not _STACK.fullmatch(stack):
            raise DespliegueError(f"{shorten(stack)} is no stack's name: expected letters, digits and hyphens")
        self.stack = stack
        with _aws_in_words(f"the stack {stack}"):
            session = boto3.Session(region_name=region or None)
            found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
            self._gateway: Any = session.client("apigateway")
        outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", ())}
        if parameters.get("AuthMode") == "Iam":
            raise DespliegueError(
                f"the stack {stack} has no API keys: its AuthMode is Iam. A customer there is an AWS principal that may"
                " execute-api:Invoke; AuthMode=ApiKey makes it take keys"
            )
        if "UsagePlanId" not in outputs:
            raise DespliegueError(
                f"the stack {stack} has no output UsagePlanId; expected one that was deployed from template.yaml as it"
                " is now: `sam deploy` it anew"
            )
        self._plan = outputs["UsagePlanId"]
        self._for_all = {name: float(parameters[name]) for name in ("RateLimit", "BurstLimit") if name in parameters}

    def add(self, name: str, limits: Limits) -> tuple[Customer, str, Granted]:
        """A new customer, the key, which is told only here, and the limits that now hold.

        With any limit it gets a usage plan of its own.

        Raises:
            DespliegueError: the name cannot be one or is taken, or AWS refuses; then nothing is left behind.
        """
        if not _NAME.fullmatch(name):
            raise DespliegueError(
                f"{shorten(name)} cannot be a customer's name: expected at most 100 letters, digits, spaces and . _ @ -"
            )
        if any(customer.name == name for customer in self.all()):
            raise DespliegueError(
                f"the stack {self.stack} has a customer '{name}' already; `despliegue customer remove` takes it away"
            )
        with _aws_in_words(f"the customer {name}"), ExitStack() as undo:
            plan = self._plan
            shared = self._gateway.get_usage_plan(usagePlanId=plan)
            granted = _granted(limits, shared)
            if limits != Limits():
                plan = self._make_plan(name, granted, shared["apiStages"])
                undo.callback(self._delete_plan, plan)
            key = self._gateway.create_api_key(
                name=name, description=f"A customer of {self.stack}", enabled=True, tags={TAG: self.stack}
            )
            undo.callback(self._gateway.delete_api_key, apiKey=key["id"])
            self._gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
            undo.pop_all()
        customer = Customer(name, key["id"], plan, plan != self._plan, key["createdDate"].astimezone(UTC), enabled=True)
        return customer, str(key["value"]), granted

    def exceeded(self, limits: Granted) -> dict[str, float]:
        """The stack's parameters that hold for all callers together and are below these limits, with their values."""
        asked = {"RateLimit": limits.rate, "BurstLimit": limits.burst}
        return {name: most for name, most in self._for_all.items() if asked[name] > most}

    def all(self) -> list[Customer]:
        """The customers, by name."""
        with _aws_in_words(f"the customers of {self.stack}"):
            pages = self._gateway.get_paginator("get_api_keys").paginate(includeValues=False)
            keys = [key for page in pages for key in page["items"] if key.get("tags", {}).get(TAG) == self.stack]
            return sorted(map(self._customer, keys), key=lambda customer: customer.name)

    def usage(self, name: str, days: int, today: date | None = None) -> list[Used]:
        """What a customer asked in each of the last days, oldest first; API Gateway keeps them for 90.

        Args:
            name: the customer's.
            days: how many, today included.
            today: the last one, in UTC.
        """
        customer = self._find(name)
        last = today or datetime.now(UTC).date()
        first = last - timedelta(days=days - 1)
        with _aws_in_words(f"the usage of {name}"):
            pages = self._gateway.get_paginator("get_usage").paginate(
                usagePlanId=customer.plan, keyId=customer.id, startDate=first.isoformat(), endDate=last.isoformat()
            )
            counts = [count for page in pages for count in page.get("items", {}).get(customer.id, ())]
        return [Used(first + timedelta(days=number), used, left) for number, (used, left) in enumerate(counts)]

    def remove(self, name: str) -> Customer:
        """Take the customer's key away, at once, and the usage plan if it is its own."""
        customer = self._find(name)
        with _aws_in_words(f"the customer {name}"):
            self._gateway.delete_api_key(apiKey=customer.id)
            if customer.own_plan:
                self._delete_plan(customer.plan)
        return customer

    def _find(self, name: str) -> Customer:
        customers = self.all()
        for customer in customers:
            if customer.name == name:
                return customer
        there = ", ".join(customer.name for customer in customers) or "none"
        raise DespliegueError(f"the stack {self.stack} has no customer {shorten(name)}; it has {there}")

    def _customer(self, key: dict[str, Any]) -> Customer:
        plans = self._gateway.get_usage_plans(keyId=key["id"])["items"]
        plan = plans[0]["id"] if plans else ""
        own = bool(plans) and plans[0].get("tags", {}).get(TAG) == self.stack
        return Customer(key["name"], key["id"], plan, own, key["createdDate"].astimezone(UTC), key["enabled"])

    def _make_plan(self, name: str, limits: Granted, stages: list[dict[str, Any]]) -> str:
        plan = self._gateway.create_usage_plan(
            name=f"{self.stack} {name}",
            description=f"What {name} may ask of {self.stack}",
            apiStages=[{"apiId": stage["apiId"], "stage": stage["stage"]} for stage in stages],
            throttle={"rateLimit": limits.rate, "burstLimit": limits.burst},
            quota={"limit": limits.quota, "period": limits.period},
            tags={TAG: self.stack},
        )
        return str(plan["id"])

    def _delete_plan(self, plan: str) -> None:
        # API Gateway deletes no usage plan that a stage is in.
        stages = self._gateway.get_usage_plan(usagePlanId=plan).get("apiStages", ())
        operations = [
            {"op": "remove", "path": "/apiStages", "value": f"{stage['apiId']}:{stage['stage']}"} for stage in stages
        ]
        if operations:
            self._gateway.update_usage_plan(usagePlanId=plan, patchOperations=operations)
        self._gateway.delete_usage_plan(usagePlanId=plan)


def _granted(limits: Limits, shared: dict[str, Any]) -> Granted:
    """The limits, and what they leave open as the usage plan `shared` says."""
    throttle, quota = shared["throttle"], shared["quota"]
    return Granted(
        throttle["rateLimit"] if limits.rate is None else limits.rate,
        throttle["burstLimit"] if limits.burst is None else limits.burst,
        quota["limit"] if limits.quota is None else limits.quota,
        quota["period"] if limits.period is None else limits.period,
    )


@contextmanager
def _aws_in_words(subject: str) -> Iterator[None]:
    """AWS's errors as one sentence."""
    from botocore import exceptions

    try:
        yield
    except exceptions.NoCredentialsError as error:
        raise DespliegueError("there are no AWS credentials; `aws configure` sets them up") from error
    except exceptions.NoRegionError as error:
        raise DespliegueError("no AWS region is set; --region names it, or `aws configure`") from error
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise DespliegueError(f"AWS refuses {subject}: {error}") from error
