"""The console: one page that shows what the service can do and calls it. Its files are put into one document.

One response has everything, so that one open route is enough, and no link breaks under a stage, a base path, or a slash
at the end of the address. `console.css` and the modules go where `index.html` refers to them. What only editors and
type checkers read is left out: the modules' documentation, and the lines by which they import one another. What the
browser may run and load is just that, by digest (Content Security Policy 3): nothing that a model's name or a reply
holds can become code.
"""

import base64
import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

MODULES: Final = (
    "elements.js",
    "service.js",
    "description.js",
    "picture.js",
    "form.js",
    "predictions.js",
    "calls.js",
    "csv.js",
    "file.js",
    "about.js",
    "page.js",
)
"""In an order in which each uses, while it is read, only those before it."""
FOLDER: Final = Path(__file__).parent
_STYLE_LINK: Final = '<link rel="stylesheet" href="console.css">'
_SCRIPT_LINK: Final = '<script type="module" src="page.js"></script>'
_IMPORT: Final = re.compile(r'^import \{[^}]*\} from "\./[a-z]+\.js";\n', re.MULTILINE)
_DOCUMENTATION: Final = re.compile(r"^ */\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)


class Page(NamedTuple):
    """The page: its bytes, HTML in UTF-8, and the headers to send with them."""

    body: bytes
    headers: Mapping[str, str]


@cache
def page() -> Page:
    """The page. It holds nothing of any model: what it shows it asks for, with the caller's key."""
    style = f"\n{_read('console.css')}"
    script = "\n" + "\n".join(map(_module, MODULES))
    html = _read("index.html")
    html = html.replace(_STYLE_LINK, f"<style>{style}</style>")
    html = html.replace(_SCRIPT_LINK, f'<script type="module">{script}</script>')
    policy = {
        "default-src": "'none'",
        "script-src": _digest(script),
        "style-src": _digest(style),
        "connect-src": "'self'",
        "img-src": "data: blob:",  # the page's icon; the picture that is to be sent
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return Page(html.encode(), MappingProxyType(headers))


def _module(name: str) -> str:
    text = _read(name)
    for left_out in (_IMPORT, _EXPORT, _DOCUMENTATION):
        text = left_out.sub("", text)
    return text


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
