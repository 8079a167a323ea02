"""The route table."""

from collections.abc import Callable
from functools import lru_cache
from typing import Concatenate, Final, NamedTuple

from despliegue.errors import MethodNotAllowed, PathNotFound, shorten
from despliegue.http import documents, invocations, jobs, open_inference, predict_v1
from despliegue.http.messages import Outcome, Request, Response
from despliegue.http.served import Served

type Call = Callable[Concatenate[Served, Request, Outcome, ...], Response]


class Route(NamedTuple):
    """A path, its parameters in braces, one a segment and first in it, and what is called for each method."""

    path: str
    calls: dict[str, Call]


# Found in this order, so inference first: it is nearly all of the traffic.
ROUTES: Final = (
    Route("/v2/models/{model}/infer", {"POST": open_inference.infer}),
    Route("/v2/models/{model}/versions/{version}/infer", {"POST": open_inference.infer}),
    Route("/v1/models/{model}:predict", {"POST": predict_v1.predict}),
    Route("/v1/models/{model}/versions/{version}:predict", {"POST": predict_v1.predict}),
    Route("/v1/models", {"GET": open_inference.list_models}),
    Route("/v1/models/{model}", {"GET": predict_v1.model_status}),
    Route("/v1/models/{model}/versions/{version}", {"GET": predict_v1.model_status}),
    Route("/v2", {"GET": open_inference.server_metadata}),
    Route("/v2/health/live", {"GET": open_inference.health}),
    Route("/v2/health/ready", {"GET": open_inference.health}),
    Route("/v2/models", {"GET": open_inference.list_models}),
    Route("/v2/models/stats", {"GET": open_inference.statistics}),
    Route("/v2/repository/index", {"POST": open_inference.repository_index}),
    Route("/v2/models/{model}", {"GET": open_inference.model_metadata}),
    Route("/v2/models/{model}/versions/{version}", {"GET": open_inference.model_metadata}),
    Route("/v2/models/{model}/ready", {"GET": open_inference.model_ready}),
    Route("/v2/models/{model}/versions/{version}/ready", {"GET": open_inference.model_ready}),
    Route("/v2/models/{model}/config", {"GET": open_inference.model_configuration}),
    Route("/v2/models/{model}/versions/{version}/config", {"GET": open_inference.model_configuration}),
    Route("/v2/models/{model}/stats", {"GET": open_inference.statistics}),
    Route("/v2/models/{model}/versions/{version}/stats", {"GET": open_inference.statistics}),
    Route("/v2/models/{model}/jobs", {"POST": jobs.create}),
    Route("/v2/models/{model}/versions/{version}/jobs", {"POST": jobs.create}),
    Route("/v2/models/{model}/jobs/{job}", {"GET": jobs.status}),
    Route("/v2/models/{model}/versions/{version}/jobs/{job}", {"GET": jobs.status}),
    Route("/v2/repository/models/{model}/load", {"POST": open_inference.not_served}),
    Route("/v2/repository/models/{model}/unload", {"POST": open_inference.not_served}),
    Route("/v2/trace/setting", {"GET": open_inference.not_served, "POST": open_inference.not_served}),
    Route("/v2/logging", {"GET": open_inference.not_served, "POST": open_inference.not_served}),
    Route("/v2/systemsharedmemory/status", {"GET": open_inference.not_served}),
    Route("/v2/cudasharedmemory/status", {"GET": open_inference.not_served}),
    Route("/invocations", {"POST": invocations.invoke}),
    Route("/models/{model}/invocations", {"POST": invocations.invoke}),
    Route("/models/{model}/versions/{version}/invocations", {"POST": invocations.invoke}),
    Route("/ping", {"GET": invocations.ping}),
    Route("/health", {"GET": invocations.ping}),
    Route("/version", {"GET": invocations.version}),
    Route("/openapi.json", {"GET": documents.service_openapi}),
    Route("/v2/models/{model}/openapi.json", {"GET": documents.model_openapi}),
    Route("/v2/models/{model}/versions/{version}/openapi.json", {"GET": documents.model_openapi}),
    Route("/v2/models/{model}/card", {"GET": documents.model_card}),
    Route("/v2/models/{model}/versions/{version}/card", {"GET": documents.model_card}),
    Route("/docs", {"GET": documents.console}),
)

_BY_LENGTH: Final[dict[int, list[tuple[list[tuple[str, str]], dict[str, Call]]]]] = {}
"""The routes by the number of their segments, each a parameter's name, which matches any text, and what it ends in."""
for _route in ROUTES:
    _pairs = [segment.lstrip("{").split("}") if "{" in segment else ("", segment) for segment in _route.path.split("/")]
    _BY_LENGTH.setdefault(len(_pairs), []).append(([(name, end) for name, end in _pairs], _route.calls))


@lru_cache(maxsize=128)
def find_route(method: str, path: str) -> tuple[Call, dict[str, str]]:
    """What to call for `method` and `path`, and the path's parameters. A slash at the end makes no difference.

    Few paths are most of the traffic, so the last ones are remembered; the parameters are not to be changed.

    Raises:
        PathNotFound: no route has this path.
        MethodNotAllowed: the route has other methods.
    """
    parts = path.removesuffix("/").split("/")
    for segments, calls in _BY_LENGTH.get(len(parts), ()):
        parameters = {}
        for (name, end), part in zip(segments, parts, strict=True):
            if name and part != end and part.endswith(end):
                parameters[name] = part.removesuffix(end)
            elif end != part or name:
                break
        else:
            if call := calls.get("GET" if method == "HEAD" else method):
                return call, parameters
            allowed = (*calls, "HEAD") if "GET" in calls else tuple(calls)
            raise MethodNotAllowed(
                f"{shorten(path)} takes {', '.join(allowed)}, not {shorten(method)}", allowed=allowed
            )
    raise PathNotFound(f"there is no path {shorten(path)}; the API starts at /v2, and /v2/models lists the models")
