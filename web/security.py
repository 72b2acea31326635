"""What holds for every page: headers, bounded bodies, no foreign forms, and a log without tokens."""

import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import FormData, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.context import context_of

log = logging.getLogger("germane.web")

MAX_BODY_OCTETS = 1024 * 1024
MAX_FIELDS = 2000

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "interest-cohort=()",
}


class Guard:
    """ASGI middleware: adds the headers, bounds the body, and logs each answer by its route's pattern, never by its path."""

    def __init__(self, app: ASGIApp, failure: ASGIApp) -> None:
        """`failure` answers where `app` raised before it had begun to answer."""
        self.app, self.failure = app, failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            await self.app(scope, _bounded(receive), send_guarded)
        except Exception:
            log.exception("%s failed", _pattern(scope))
            if not status:
                await self.failure(scope, receive, send_guarded)
        log.info("%s %s %d %d ms", scope["method"], _pattern(scope), status, (time.monotonic() - began) * 1000)


def _pattern(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "(no page)"))


def _bounded(receive: Receive) -> Receive:
    octets = 0

    async def receive_bounded() -> Message:
        nonlocal octets
        message = await receive()
        octets += len(message.get("body", b""))
        if octets > MAX_BODY_OCTETS:
            raise HTTPException(413)
        return message

    return receive_bounded


async def read_form(request: Request) -> FormData:
    """The fields of a form in either encoding; files are refused with 400, more than 1 MiB with 413."""
    return await request.form(max_files=0, max_fields=MAX_FIELDS, max_part_size=MAX_BODY_OCTETS)


def refuse_foreign(request: Request) -> None:
    """Raises HTTPException 403 for a form that another site's page made the browser send.

    Sec-Fetch-Site decides where the browser says it. `Origin: null` says nothing: with our Referrer-Policy it is what a
    browser sends for our own forms (Fetch standard, "append a request Origin header").
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    ours = {urlsplit(context_of(request).base_url).netloc, request.headers.get("host", "")}
    foreign = site not in {"same-origin", "none"} if site else origin != "null" and urlsplit(origin).netloc not in ours
    if foreign:
        raise HTTPException(403)
