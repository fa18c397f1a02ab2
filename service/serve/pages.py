"""The web page at `/`: files of our own, each at a path that is known beforehand, and what a browser may do with them.

The page is a client of the API like any other. It holds no data of anybody, so nobody needs a token to get it.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from aiohttp import web

from service.serve.routes import Asked, Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
INDEX = "index.html"


def page_routes() -> list[Route]:
    """Return where the page and the files that it is made of are."""
    folder = files("service.serve") / "page"
    found = sorted((one for one in folder.iterdir() if one.name.rpartition(".")[2] in TYPES), key=lambda one: one.name)
    return [_route(one.name, one.read_bytes()) for one in found]


def _route(name: str, body: bytes) -> Route:
    tag, media = hashlib.sha256(body).hexdigest()[:32], TYPES[name.rpartition(".")[2]]

    async def answer(asked: Asked) -> web.StreamResponse:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": f'"{tag}"'}
        if any(known.value in (tag, "*") for known in asked.request.if_none_match or ()):
            return web.Response(status=304, headers=headers)  # browsers ask each time, so that an update is seen
        response = web.Response(body=body, headers=headers, content_type=media, charset="utf-8")
        response.enable_compression()
        return response

    path = "/" if name == INDEX else f"/page/{name}"
    return Route("GET", path, answer, f"The web page: {name}.", media, open=True)
