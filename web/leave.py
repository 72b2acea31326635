"""Leaving: one click from the mail program (RFC 8058), or a page with a button. Reading the page changes nothing."""

import calendar
import hmac
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from profiles import links
from profiles.member import GONE
from store import members, networks
from store.members import StoredMember
from store.networks import Network
from web.context import WebContext, context_of
from web.rendering import pages_of
from web.security import read_form, refuse_foreign

PAGE = "the leaving page"
ONE_CLICK = "one-click POST"
"""What the record of consent says on how somebody left."""
UNDO_WITHIN = timedelta(hours=24)
FEWER_ITEMS = 3

Outcome = Literal["ask", "left", "gone", "back", "paused", "fewer"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands after what was asked. `member` is None for one whose data is erased."""

    outcome: Outcome
    member: StoredMember | None = None
    network: Network | None = None
    undo: str = ""


async def leave(request: Request) -> Response:
    context = context_of(request)
    public_id = links.verify(context.secret_key, "leave", request.path_params["token"])
    if public_id is None:
        raise HTTPException(404)
    if request.method != "POST":
        return _page(request, await run_in_threadpool(_ask, context, public_id))
    form = await read_form(request)
    if form.get("List-Unsubscribe") == "One-Click":
        await run_in_threadpool(_leave, context, public_id, ONE_CLICK)
        return PlainTextResponse("You have left.\n", headers={"Cache-Control": "no-store"})
    refuse_foreign(request)
    return _page(request, await run_in_threadpool(_act, context, public_id, form))


def _page(request: Request, standing: Standing) -> Response:
    member = standing.member
    return pages_of(request).answer(
        "leave.html",
        outcome=standing.outcome,
        network=standing.network,
        paused_until=member.member.preferences.paused_until if member else None,
        fewer=FEWER_ITEMS,
        undo=standing.undo,
    )


def _act(context: WebContext, public_id: str, form: FormData) -> Standing:
    """What the page's own buttons ask for; anything else only shows the page again."""
    choice = form.get("choice")
    if choice == "leave":
        return _leave(context, public_id, PAGE)
    if choice in {"back", "pause"} and "undo" in form:
        return _come_back(context, public_id, str(form["undo"]), pause=choice == "pause")
    if choice == "pause":
        return _ease(context, public_id, "paused")
    if choice == "fewer":
        return _ease(context, public_id, "fewer")
    return _ask(context, public_id)


def _ask(context: WebContext, public_id: str) -> Standing:
    with context.database.reading() as connection:
        found = members.find_by_public_id(connection, public_id)
        if found is None:
            return Standing("gone")
        network = networks.by_key(connection, found.network_key)
    return Standing("gone" if found.member.status in GONE else "ask", found, network)


def _leave(context: WebContext, public_id: str, basis: str) -> Standing:
    """Leave, or find that it has happened already. The way back is offered only to whoever was getting mail before."""
    now = context.now()
    with context.database.writing() as connection:
        found = members.find_by_public_id(connection, public_id)
        if found is None:
            return Standing("gone")
        network = networks.by_key(connection, found.network_key)
        if not members.leave(connection, found.key, now, basis):
            return Standing("gone", found, network)
    status = found.member.status
    undo = _seal(context, public_id, status, now) if status in {"active", "paused"} else ""
    return Standing("left", found, network, undo)


def _seal(context: WebContext, public_id: str, status: str, left_at: datetime) -> str:
    """Proof that this very leaving happened on our page, and from which status: the link to leave alone brings nobody back."""
    return links.seal(context.secret_key, "undo", public_id, status, left_at.astimezone(UTC).isoformat())


def _come_back(context: WebContext, public_id: str, undo: str, *, pause: bool) -> Standing:
    now = context.now()
    with context.database.writing() as connection:
        found = members.find_by_public_id(connection, public_id)
        before = _status_before(context, found, undo) if found else None
        back = found and before and members.rejoin(connection, found.key, now, PAGE, secret=context.secret_key)
        if found and back and before == "paused":
            members.change(connection, found.key, now, status="paused", basis=PAGE)
    if before is None:
        return _ask(context, public_id)
    return _ease(context, public_id, "paused") if pause else replace(_ask(context, public_id), outcome="back")


def _status_before(context: WebContext, found: StoredMember, undo: str) -> Literal["active", "paused"] | None:
    """The status that a leaving took away, when `undo` proves that it happened here and not long ago; otherwise None."""
    if found.member.status != "left" or found.left_at is None or context.now() - found.left_at > UNDO_WITHIN:
        return None
    for status in ("active", "paused"):
        if hmac.compare_digest(_seal(context, found.public_id, status, found.left_at).encode(), undo.encode()):
            return status
    return None


def _ease(context: WebContext, public_id: str, outcome: Literal["paused", "fewer"]) -> Standing:
    """Get less mail instead of none: what a link to leave may do as well, because it takes away no more than leaving would."""
    now = context.now()
    with context.database.writing() as connection:
        found = members.find_by_public_id(connection, public_id)
        if found is None or found.member.status not in {"active", "paused"}:
            return _ask(context, public_id)
        wanted = found.member.preferences
        if outcome == "fewer":
            fewer = min(wanted.items_per_digest or FEWER_ITEMS, FEWER_ITEMS)
            members.change(connection, found.key, now, preferences=replace(wanted, items_per_digest=fewer), basis=PAGE)
        elif found.member.status == "active" or wanted.paused_until:
            until = max(_next_month(now.date()), wanted.paused_until or date.min)
            paused = replace(wanted, paused_until=until)
            members.change(connection, found.key, now, preferences=paused, status="paused", basis=PAGE)
    return replace(_ask(context, public_id), outcome=outcome)


def _next_month(day: date) -> date:
    """The same day a month later, or the last day of that month."""
    year, month = (day.year, day.month + 1) if day.month < 12 else (day.year + 1, 1)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
