"""What the endpoints answer from."""

from typing import Literal, NamedTuple

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
    """

    repository: ModelRepository
    statistics: Statistics
    default_model: str = ""
    auth: Auth = ""
