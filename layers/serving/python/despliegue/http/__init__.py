"""The HTTP core: one pure function, `Request` → `Response`. Knows no AWS and no server; those are adapters to it."""

from despliegue.http.messages import Outcome, Request, Response
from despliegue.http.service import InferenceService

__all__ = ["InferenceService", "Outcome", "Request", "Response"]
