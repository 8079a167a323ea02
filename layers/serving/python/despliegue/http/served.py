"""What the endpoints answer from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from despliegue.http.job_store import JobStore
    from despliegue.http.statistics import Statistics
    from despliegue.models import ModelRepository

type Auth = Literal["", "ApiKey", "Iam"]
"""What callers must prove to whoever stands before the service: nothing, or one of template.yaml's AuthMode."""


class Served(NamedTuple):
    """What the endpoints answer from.

    Attributes:
        repository: the models.
        statistics: what is counted of them.
        default_model: `name` or `name@version` that is meant where a path names none.
        auth: what callers must prove.
        jobs: gives what keeps the files of jobs; None where nobody scores files.
    """

    repository: ModelRepository
    statistics: Statistics
    default_model: str = ""
    auth: Auth = ""
    jobs: Callable[[], JobStore] | None = None
