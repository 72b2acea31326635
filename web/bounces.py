"""A webhook for who sends on our behalf: bounces and complaints as signed JSON. Without a secret there is no such page."""

import hmac
import json
from dataclasses import dataclass
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from delivery.bounces.fate import fate_of, is_about_us
from profiles import verp
from profiles.reachability import Fault
from store import bounces, members, outbox
from web.context import WebContext, context_of

MOST_EVENTS = 500
MOST_SECONDS_OLD = 300
"""How old, or how far ahead, the time in a signed request may be: what was overheard cannot be sent again later."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a request, as far as it can be understood."""

    kind: Literal["bounce", "complaint"]
    fault: Fault | Literal[""]
    status: str
    said: str
    member: str
    message: int | None


async def webhook(request: Request) -> Response:
    """POST {"events": [{"type", "return_path" | "message_id" | "address", "kind", "status", "reason"}, ...]}.

    X-Germane-Timestamp is the time in seconds, X-Germane-Signature "sha256=" and HMAC-SHA256 of the timestamp, a dot and the
    body with GERMANE_INCOMING__WEBHOOK_SECRET. 404 where that is not set, 403 for a wrong or old signature, 400 for a body
    that is no such JSON. An event of an unknown type, or about nobody we know, is counted as ignored.
    """
    context = context_of(request)
    if not context.webhook_secret:
        raise HTTPException(404)
    body = await request.body()
    try:
        _check_signature(request, context, body)
        events = _events_in(body)
    except HTTPException as wrong:
        return JSONResponse({"error": wrong.detail}, wrong.status_code)
    outcomes = await run_in_threadpool(_take, context, events)
    return JSONResponse({"taken": outcomes.count(True), "ignored": outcomes.count(False)})


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    return "sha256=" + hmac.digest(secret, timestamp.encode() + b"." + body, "sha256").hex()


def _check_signature(request: Request, context: WebContext, body: bytes) -> None:
    timestamp = request.headers.get("x-germane-timestamp", "")
    given = request.headers.get("x-germane-signature", "")
    right = signature(context.webhook_secret, timestamp, body)
    if not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")):
        raise HTTPException(403, "the signature is wrong")
    if not timestamp.isdecimal() or len(timestamp) > 12:
        raise HTTPException(403, "the timestamp is no time in seconds")
    if abs(context.now().timestamp() - int(timestamp)) > MOST_SECONDS_OLD:
        raise HTTPException(403, "the timestamp is too far from now")


def _events_in(body: bytes) -> list[dict[str, Any]]:
    try:
        events = json.loads(body)["events"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise HTTPException(400, "the body is no JSON with events") from None
    if (
        not isinstance(events, list)
        or not all(isinstance(event, dict) for event in events)
        or len(events) > MOST_EVENTS
    ):
        raise HTTPException(400, f"events is no list of at most {MOST_EVENTS} objects")
    return events


def _take(context: WebContext, events: list[dict[str, Any]]) -> list[bool]:
    with context.database.writing() as connection:
        return [_take_one(context, connection, event) for event in events]


def _take_one(context: WebContext, connection: Any, event: dict[str, Any]) -> bool:
    told = _told(context, connection, event)
    if told is None or (not told.member and told.message is None):
        return False
    report = bounces.Report(told.kind, told.fault, context.now(), signed=True, status=told.status, said=told.said)
    bounces.record(
        connection, report, context.secret_key, context.bounce_rule, member=told.member, message=told.message
    )
    return True


def _told(context: WebContext, connection: Any, event: dict[str, Any]) -> Told | None:
    text = {name: value if isinstance(value, str) else "" for name, value in event.items()}
    kind = text.get("type", "")
    if kind not in {"bounce", "complaint"}:
        return None
    path = verp.read_return_path(context.secret_key, text.get("return_path", "")[:400])
    message = outbox.find(connection, edition=path[1], member=path[0]) if path else None
    if message is None and text.get("message_id"):
        message = outbox.find(connection, message_id=text["message_id"][:300])
    member = path[0] if path else bounces.member_named(connection, text.get("address", "")[:400])
    if member and members.find_by_public_id(connection, member) is None:
        member = ""
    status, said = text.get("status", "")[:20], text.get("reason", "")[:1000]
    fault = _fault(text.get("kind", ""), said, status) if kind == "bounce" else ""
    return Told(
        "bounce" if kind == "bounce" else "complaint", fault, status, bounces.without_addresses(said), member, message
    )


def _fault(given: str, said: str, status: str) -> Fault | Literal[""]:
    """What the sender calls it, unless its server's own words say that this was about us; a kind we do not know is none."""
    if is_about_us(said, status):
        return ""
    if given == "hard":
        return "hard"
    return "soft" if given == "soft" else fate_of(said, status)
