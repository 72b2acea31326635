"""The pages that are about nobody."""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from store import schema
from store.database import StoreError
from web.context import context_of
from web.rendering import pages_of

log = logging.getLogger("germane.web")


def home(request: Request) -> Response:
    return pages_of(request).answer("home.html")


def health(request: Request) -> Response:
    """200 when the database answers with the tables of this version, otherwise 503; the reason is for the log alone."""
    database, headers = context_of(request).database, {"Cache-Control": "no-store"}
    try:
        schema.check(database)
    except StoreError as error:
        log.error("not healthy: %s", error)
        return JSONResponse({"status": "unavailable"}, 503, headers)
    return JSONResponse({"status": "ok", "schema": schema.version(database)}, headers=headers)


def stylesheet(request: Request) -> Response:
    """The address of the stylesheet holds its hash, so that a browser may keep it."""
    return Response(
        pages_of(request).stylesheet, media_type="text/css", headers={"Cache-Control": "public, max-age=31536000"}
    )
