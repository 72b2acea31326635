"""The pages as one ASGI application: the list of routes, and what a failure looks like."""

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from store.database import StoreError
from web.bounces import webhook
from web.context import WebContext
from web.feedback import feedback_page
from web.home import health, home, stylesheet
from web.item import item
from web.keep import keep
from web.learned import learned
from web.leave import leave
from web.preferences import export, preferences
from web.rendering import Pages, pages_of
from web.security import Guard

log = logging.getLogger("germane.web")

ROUTES: list[BaseRoute] = [
    Route("/", home),
    Route("/health", health),
    Route("/style.css", stylesheet),
    Route("/leave/{token}", leave, methods=["GET", "POST"]),
    Route("/keep/{token}", keep, methods=["GET", "POST"]),
    Route("/preferences/{token}", preferences, methods=["GET", "POST"]),
    Route("/preferences/{token}/export", export),
    Route("/preferences/{token}/learned", learned, methods=["POST"]),
    Route("/feedback/{token}", feedback_page, methods=["GET", "POST"]),
    Route("/items/{public_id}", item),
    Route("/hooks/bounces", webhook, methods=["POST"]),
]

PROBLEMS = {
    400: ("This form could not be read", "Go back and send it again."),
    403: ("This form came from another site", "Open the link in your mail and use the page it leads to."),
    404: ("There is no such page", "The link may be cut off or changed. Open it again from the mail you got."),
    405: ("This cannot be done here", "Open the link in your mail and use the buttons on its page."),
    410: ("This item was withdrawn", "The person who posted it has taken it back."),
    413: ("That is too much text", "Shorten it and send it again."),
    500: ("Something went wrong here", "Nothing was changed. Please try again in a while."),
    503: ("The service is busy", "Nothing was changed. Please try again in a minute."),
}


def create_app(context: WebContext) -> Starlette:
    """The application. Its routes answer both below the path of `base_url` and without it, behind any kind of proxy."""
    pages = Pages(context.templates, context.base_url)
    routes = [*ROUTES, Mount(pages.path, routes=ROUTES)] if pages.path else ROUTES
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, failure=_failure)],
        exception_handlers={HTTPException: _problem, StoreError: _unavailable},
    )
    app.router.redirect_slashes = False
    app.state.context, app.state.pages = context, pages
    return app


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _page(request, error.status_code, dict(error.headers or {}))


def _unavailable(request: Request, error: Exception) -> Response:
    log.error("a page cannot be served now: %s", error)
    return _page(request, 503, {"Retry-After": "60"})


async def _failure(scope: Scope, receive: Receive, send: Send) -> None:
    await _page(Request(scope), 500, {})(scope, receive, send)


def _page(request: Request, status: int, headers: dict[str, str]) -> Response:
    title, advice = PROBLEMS.get(status, PROBLEMS[500])
    answer = pages_of(request).answer("problem.html", status, title=title, advice=advice)
    answer.headers.update(headers)
    return answer
