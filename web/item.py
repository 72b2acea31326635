"""The page of one item: what a mail's "read more" leads to. It says nothing about any member."""

from urllib.parse import quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest.cleaning import one_line
from digest.items import Item
from digest.markdown import to_html
from profiles.links import PUBLIC_ID
from store import items, networks
from store.networks import Network
from web.context import WebContext, context_of
from web.rendering import pages_of

SHOWN = frozenset({"published", "closed", "expired"})


def item(request: Request) -> Response:
    """404 for an item that was never published, 410 for one that was withdrawn."""
    context = context_of(request)
    network, found = _find(context, request.path_params["public_id"])
    if found.state == "withdrawn":
        raise HTTPException(410)
    now = context.now()
    if found.state not in SHOWN or (found.published_at and found.published_at > now):
        raise HTTPException(404)
    return pages_of(request).answer(
        "item.html",
        item=found,
        network=network,
        body=to_html(found.body),
        link=found.url if _host(found.url) else "",
        link_host=_host(found.url),
        mailto=mailto(found, network),
        open=found.is_open(now),
    )


def _host(url: str) -> str:
    """The host of an http(s) address, or "" for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.hostname or "" if parts.scheme in {"http", "https"} else ""


def _find(context: WebContext, public_id: str) -> tuple[Network, Item]:
    if PUBLIC_ID.fullmatch(public_id):
        with context.database.reading() as connection:
            for network in networks.every(connection):
                found = items.find(connection, network.key, public_id)
                if found and found.public_id == public_id:
                    return network, found
    raise HTTPException(404)


def mailto(found: Item, network: Network) -> str:
    """Where to write about an item, or "". RFC 6068: percent-encoded, so that a title can add neither field nor line."""
    title = one_line(found.title)
    subject = f"I can help: {title}" if found.kind == "request" else f"About: {title}"
    address = network.reply_to or network.sender_address
    return f"mailto:{quote(address, safe='@')}?subject={quote(subject, safe='')}" if address else ""
