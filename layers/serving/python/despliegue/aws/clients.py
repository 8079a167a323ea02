"""The AWS clients that scoring files needs, made once. boto3 is imported here and by nothing on the HTTP path."""

from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

type Client = Any
"""botocore makes its clients' methods at run time."""

CONNECTIONS: Final = 12
"""Most calls at once: the threads that copy, and those that read ahead and upload."""


class Clients:
    """S3, and EventBridge and SNS from their first use.

    Args:
        endpoint: of all of them; empty for AWS itself.
    """

    def __init__(self, endpoint: str = "") -> None:
        self._endpoint = endpoint or None
        self._config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=CONNECTIONS,
            # An endpoint of one's own has no host name for each bucket.
            s3={"addressing_style": "path" if endpoint else "auto"},
        )
        self.s3: Client = self._client("s3")

    @cached_property
    def events(self) -> Client:
        """EventBridge."""
        return self._client("events")

    @cached_property
    def sns(self) -> Client:
        """SNS."""
        return self._client("sns")

    def _client(self, name: Any) -> Client:
        return boto3.client(name, endpoint_url=self._endpoint, config=self._config)


def status_of(error: ClientError) -> int:
    """The HTTP status of a refused call. HEAD has no body, so that the status is all that is known of it."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
