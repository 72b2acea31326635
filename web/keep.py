"""The answer to the one question that silent members are asked: a page with a button. Reading the page changes nothing."""

from typing import Literal

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from profiles import links
from profiles.member import GONE
from store import members, networks
from store.networks import Network
from web.context import WebContext, context_of
from web.rendering import pages_of
from web.security import read_form, refuse_foreign

Outcome = Literal["ask", "kept", "gone"]


async def keep(request: Request) -> Response:
    context = context_of(request)
    public_id = links.verify(context.secret_key, "keep", request.path_params["token"])
    if public_id is None:
        raise HTTPException(404)
    said = False
    if request.method == "POST":
        refuse_foreign(request)
        said = (await read_form(request)).get("choice") == "keep"
    outcome, network = await run_in_threadpool(_answered, context, public_id, said=said)
    return pages_of(request).answer("keep.html", outcome=outcome, network=network)


def _answered(context: WebContext, public_id: str, *, said: bool) -> tuple[Outcome, Network | None]:
    """Where they stand; who `said` yes has been heard of, and gets digests as often as they chose again."""
    with context.database.reading() as connection:
        found = members.find_by_public_id(connection, public_id)
        network = networks.by_key(connection, found.network_key) if found else None
    if found is None or found.member.status in GONE:
        return "gone", network
    if not said:
        return "ask", network
    with context.database.writing() as connection:
        members.seen(connection, found.key, context.now())
    return "kept", network
