"""What API Gateway asks of callers and answers by itself, as template.yaml has it."""

from typing import Any, Final

from despliegue.http.served import Auth

NO_KEY: Final = "no valid API key came: expected a key of this API, with quota left to it, in the header x-api-key"

SECURITY: Final[dict[Auth, dict[str, Any]]] = {
    "": {},
    "ApiKey": {
        "apiKey": {
            "type": "apiKey",
            "name": "x-api-key",
            "in": "header",
            "description": "It identifies and counts callers",
        }
    },
    "Iam": {
        "sigv4": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "description": "AWS Signature Version 4 for the service execute-api",
            "x-amazon-apigateway-authtype": "awsSigv4",
        }
    },
}
"""Security schemes by name."""

REFUSED: Final[dict[Auth, dict[str, str]]] = {
    "": {},
    "ApiKey": {"noKey": NO_KEY},
    "Iam": {
        "noCredentials": (
            "no credentials came: expected a request signed with AWS Signature Version 4 for the service execute-api"
        ),
        "wrongSignature": (
            "the request's signature is not right: expected AWS Signature Version 4 for the service execute-api, over"
            " the body as sent"
        ),
        "expired": "the request's credentials have expired: sign it with fresh ones, by a clock that is right",
        "notAllowed": "these credentials may not call this: they need execute-api:Invoke on this API",
    },
}
"""Messages of a 403, by name."""

TOO_MANY: Final[dict[Auth, dict[str, str]]] = {
    "": {},
    "Iam": {"throttled": "too many requests at once: wait a second, then try again, more slowly"},
    "ApiKey": {
        "throttled": "too many requests at once: wait a second, then try again, more slowly",
        "quota": (
            "this API key has used up its quota of requests: try again when the next day, week or month of the quota"
            " begins"
        ),
    },
}
"""Messages of a 429, by name."""

TOO_LARGE: Final = (
    "the request is too large: API Gateway takes 10 MB and Lambda 6 MB, which is about 4.5 MB of body. Send fewer rows"
    " in a request, or have a file of them scored: POST /v2/models/MODEL/jobs"
)
FAILED: Final = "the service failed, or has as many requests as it can take: try again (request id {id})"
TIMED_OUT: Final = (
    "no reply within 29 seconds: send fewer rows in a request, or have a file of them scored: POST"
    " /v2/models/MODEL/jobs (request id {id})"
)
