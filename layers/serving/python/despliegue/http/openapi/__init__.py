"""OpenAPI 3.1 documents of what is served here: paths, examples, errors. Loaded when the first one is asked for.

Every example is a request that is really sent to the service, and its reply; every error is one that it really gave.
Source: spec.openapis.org/oas/v3.1.1.
"""

from despliegue.http.openapi.document import model_document, service_document

__all__ = ["model_document", "service_document"]
