"""What a reply of a version on its way out says of that. Sources: RFC 9745, RFC 8594 (Sunset), RFC 5829."""

from datetime import date

from despliegue.http.messages import Request, Response
from despliegue.models.deprecation import Deprecation


def announce(request: Request, response: Response, deprecation: Deprecation) -> None:
    """Add `Deprecation`, and `Sunset` and a `Link` to the successor where there is one, in place."""
    headers = response.headers
    headers["deprecation"] = f"@{(deprecation.since - date(1970, 1, 1)).days * 86_400}"
    if deprecation.sunset is not None:
        headers["sunset"] = f"{deprecation.sunset:%a, %d %b %Y} 00:00:00 GMT"
    if deprecation.successor is not None:
        # From where the request went, so that it holds below any stage or base path.
        up = "../" * (request.path.count("/") - 1)
        path = f"{up}v2/models/{response.outcome.model}/versions/{deprecation.successor}"
        headers["link"] = f'<{path}>; rel="successor-version"'
