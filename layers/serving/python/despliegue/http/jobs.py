"""The endpoints of jobs, the way round the limit of a request: a file is uploaded, scored, and fetched. No AWS in here.

What they need is loaded with the first job: most services are never asked for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import orjson

from despliegue.errors import NotSupported
from despliegue.http.messages import JSON, Outcome, Request, Response
from despliegue.http.open_inference import load

if TYPE_CHECKING:
    from despliegue.http.job_store import JobStore
    from despliegue.http.served import Served

_UNKEPT: Final = {"content-type": JSON, "cache-control": "no-store"}
"""A reply holds addresses that open without a key, and is true for a moment only."""


def create(served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None) -> Response:
    """POST /v2/models/{model}[/versions/{version}]/jobs: where to upload a file, and where to ask how far it is.

    The version is the default one of this moment, whatever comes to be that before the file is there.
    """
    store = _store(served)
    found = load(served, outcome, model, version)
    if found.media_types:
        raise NotSupported(f"model '{found.name}' takes an image a request; files of rows are not scored with it")
    from despliegue.http.job_request import read_job_request

    posted = store.create(request.caller, found.name, found.version, read_job_request(request))
    # Relative to the request's own address, so that it holds below any stage or base path.
    status = posted.id if request.path.endswith("/") else f"jobs/{posted.id}"
    document = {"id": posted.id, "model": found.name, "version": found.version, "state": "waiting", "status": status}
    body = orjson.dumps(document | {"upload": msgspec.to_builtins(posted.upload)})
    return Response(201, body, {**_UNKEPT, "location": status}, outcome)


def status(
    served: Served, request: Request, outcome: Outcome, model: str, job: str, version: str | None = None
) -> Response:
    """GET /v2/models/{model}[/versions/{version}]/jobs/{job}: how far it is. The model need not be there any more."""
    found = _store(served).find(request.caller, model, version, job)
    return Response(200, orjson.dumps(msgspec.to_builtins(found)), dict(_UNKEPT), outcome)


def _store(served: Served) -> JobStore:
    """Where the files are kept.

    Raises:
        NotSupported: nobody scores files for this service.
    """
    if served.jobs is None:
        raise NotSupported(
            "jobs are not set up here: nobody scores files for this service. The deployed stack does, and so does"
            " `despliegue serve --inbox`"
        )
    return served.jobs()
