"""What the endpoints answer from."""

from typing import NamedTuple

from despliegue.http.statistics import Statistics
from despliegue.models import ModelRepository


class Served(NamedTuple):
    """The models, and what is counted of them."""

    repository: ModelRepository
    statistics: Statistics
