"""What a member thinks of one item: two taps from the mail. Reading the page changes nothing."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest.items import Item
from digest.summary import summary
from profiles import links
from profiles.feedback import Verdict
from store import feedback, items, members, networks
from store.feedback import Word
from store.members import StoredMember
from store.networks import Network
from web.context import WebContext, context_of
from web.item import mailto
from web.rendering import pages_of
from web.security import read_form, refuse_foreign

PAGE = "mail page"
"""Where the record of feedback says that it was said."""
TASTES: tuple[Verdict, ...] = ("more", "less")


@dataclass(frozen=True, slots=True)
class Opinion:
    """A member and an item, what they say of it now, and what was just done: a verdict, "undone", or empty."""

    member: StoredMember
    network: Network
    item: Item
    words: tuple[Word, ...]
    done: str = ""

    @property
    def choices(self) -> tuple[Verdict, ...]:
        """What can be said of the item; only a request can be helped with."""
        return (*TASTES, "can_help") if self.item.kind == "request" else TASTES


async def feedback_page(request: Request) -> Response:
    """404 for a wrong token, an erased member or an item that is gone; 410 for one that was withdrawn."""
    context = context_of(request)
    who = links.verify_feedback(context.secret_key, request.path_params["token"])
    if who is None:
        raise HTTPException(404)
    if request.method != "POST":
        return _page(request, await run_in_threadpool(_find, context, *who))
    refuse_foreign(request)
    form = await read_form(request)
    choice, undo = str(form.get("choice", "")), str(form.get("undo", ""))
    return _page(request, await run_in_threadpool(_act, context, *who, choice, undo))


def _find(context: WebContext, member_id: str, item_id: str, done: str = "") -> Opinion:
    with context.database.reading() as connection:
        member = members.find_by_public_id(connection, member_id)
        item = items.find(connection, member.network_key, item_id) if member else None
        if member is None or item is None or member.member.status == "erased":
            raise HTTPException(404)
        if item.state == "withdrawn":
            raise HTTPException(410)
        network = networks.by_key(connection, member.network_key)
        words = tuple(feedback.said(connection, member.key, item.key))
    return Opinion(member, network, item, words, done)


def _act(context: WebContext, member_id: str, item_id: str, choice: str, undo: str) -> Opinion:
    """Record or take back what the page's own buttons say; anything else, and whatever somebody sends who left, does nothing."""
    found = _find(context, member_id, item_id)
    pair, now = (found.member.key, found.item.key), context.now()
    if found.member.member.status == "left":
        return found
    if undo in found.choices:
        with context.database.writing() as connection:
            feedback.undo(connection, *pair, now, undo)
        return _find(context, member_id, item_id, "undone")
    if choice in found.choices:
        with context.database.writing() as connection:
            feedback.record(connection, [Word(*pair, choice, now, PAGE)])
        return _find(context, member_id, item_id, choice)
    return found


def _page(request: Request, opinion: Opinion) -> Response:
    asked = [verdict for verdict in opinion.choices if verdict in request.query_params]
    stands = {word.verdict: word for word in opinion.words if word.verdict in opinion.choices}
    return pages_of(request).answer(
        "feedback.html",
        item=opinion.item,
        sentence=summary(opinion.item),
        network=opinion.network,
        left=opinion.member.member.status == "left",
        done=opinion.done,
        stands=stands,
        choices=[*dict.fromkeys([*asked, *opinion.choices])],
        mailto=mailto(opinion.item, opinion.network),
    )
