"""An empty ASGI application: it reads the body and answers `{}`. What a server in Python costs before it does anything.

Served by uvicorn as FastAPI's peer is: httptools, uvloop, no access log.
"""

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}
_BODY = {"type": "http.response.body", "body": b"{}"}


async def app(scope, receive, send):
    """Answer one request."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send(_START)
        await send(_BODY)
