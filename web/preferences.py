"""The preferences page: what a member is interested in, how they want mail, and what is held about them."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from digest.budgets import NOTHING_SET, Wished
from digest.items import KINDS
from profiles import links
from profiles.member import CADENCES, GONE, LONGEST_LINE, LONGEST_STATED
from store import access, budgets, feedback, members, networks, topics
from store.feedback import LearnedTerm
from store.members import StoredMember
from store.networks import Network
from web import preferences_form as form
from web.context import WebContext, context_of
from web.rendering import pages_of
from web.security import read_form, refuse_foreign

PAGE = "the preferences page"
"""What the record of consent says on how somebody paused, resumed or joined again."""


@dataclass(frozen=True, slots=True)
class Found:
    """A member with what the page needs to know about their network."""

    member: StoredMember
    network: Network
    options: form.Options
    knowledge: "Knowledge"
    overall: Wished = NOTHING_SET
    """What they want over all networks."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was learned about a member, which terms they want forgotten, and how many words they took back all at once."""

    learned: list[LearnedTerm]
    forgotten: list[str]
    forgotten_words: int


async def preferences(request: Request) -> Response:
    context = context_of(request)
    found = await run_in_threadpool(_find, context, _member_of(request))
    if request.method != "POST":
        typed = form.stored(found.member.member, found.options.most_items, found.options.budget, found.overall)
        return _page(request, found, typed, {}, saved="saved" in request.query_params)
    refuse_foreign(request)
    fields = await read_form(request)
    if fields.get("choice") == "rejoin":
        return _done(request, await run_in_threadpool(_rejoin, context, found))
    typed = form.read(fields)
    problems = form.problems(typed, found.options, _today(context.now(), found.network))
    if problems:
        return _page(request, found, typed, problems, saved=False)
    wishes = form.accepted(typed, found.member.member)
    return _done(request, await run_in_threadpool(_save, context, found, wishes))


async def export(request: Request) -> Response:
    """Everything held about the member, as a file: reading it changes nothing, so a GET with the link is enough."""
    context = context_of(request)
    held = await run_in_threadpool(_everything, context, _member_of(request))
    return Response(
        json.dumps(held, indent=2, ensure_ascii=False),
        media_type="application/json",
        headers={"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="my-data.json"'},
    )


def _member_of(request: Request) -> str:
    public_id = links.verify(context_of(request).secret_key, "preferences", request.path_params["token"])
    if public_id is None:
        raise HTTPException(404)
    return public_id


def _find(context: WebContext, public_id: str) -> Found:
    with context.database.reading() as connection:
        member = members.find_by_public_id(connection, public_id)
        if member is None or member.member.status == "erased":
            raise HTTPException(404)
        network = networks.by_key(connection, member.network_key)
        tree = topics.load(connection, member.network_key)
        knowledge = Knowledge(
            feedback.learned(connection, member.key),
            feedback.forgotten(connection, member.key),
            feedback.forgotten_words(connection, member.key),
        )
        overall = budgets.wished_overall(connection, member.address_key)
        several = members.networks_of(connection, member.address_key) > 1
    cap = network.items_per_digest or context.items_per_digest
    budget = form.budget_choices(context.budget, Wished(*(getattr(network, name) for name in Wished._fields)))
    if several:
        budget |= form.budget_choices(context.budget_overall, Wished(), "overall_")
    options = form.options_for(member.member, tree, cap, context.mail_languages, budget)
    return Found(member, network, options, knowledge, overall)


def _everything(context: WebContext, public_id: str) -> dict[str, object]:
    with context.database.reading() as connection:
        member = members.find_by_public_id(connection, public_id)
        if member is None or member.member.status == "erased":
            raise HTTPException(404)
        return access.everything_about(connection, member.key)


def _save(context: WebContext, found: Found, wishes: form.Wishes) -> bool:
    """False for somebody who left in the meantime: a form that lay open brings nobody back."""
    several = any(name.startswith("overall_") for name in found.options.budget)
    with context.database.writing() as connection:
        members.seen(connection, found.member.key, context.now())
        if several and found.member.member.status not in GONE:
            budgets.wish(connection, found.member.address_key, wishes.overall)
        return members.change(
            connection,
            found.member.key,
            context.now(),
            name=wishes.name,
            profile=wishes.profile,
            preferences=wishes.preferences,
            status=wishes.status,
            basis=PAGE,
        )


def _rejoin(context: WebContext, found: Found) -> bool:
    wording = f"Send me the digest of {found.network.name} again"
    with context.database.writing() as connection:
        members.seen(connection, found.member.key, context.now())
        return members.rejoin(connection, found.member.key, context.now(), PAGE, wording, context.secret_key)


def _done(request: Request, done: bool) -> Response:
    """Back to the page by a GET, so that loading it again sends nothing a second time."""
    path = f"{pages_of(request).path}/preferences/{request.path_params['token']}"
    return RedirectResponse(f"{path}?saved" if done else path, 303, {"Cache-Control": "no-store"})


def _page(request: Request, found: Found, typed: form.Typed, problems: dict[str, str], *, saved: bool) -> Response:
    context, pages = context_of(request), pages_of(request)
    token = links.sign(context.secret_key, "leave", found.member.public_id)
    return pages.answer(
        "preferences.html",
        422 if problems else 200,
        network=found.network,
        member=found.member,
        typed=typed,
        problems=problems,
        saved=saved,
        options=found.options,
        knowledge=found.knowledge,
        branches=form.tree(found.options.topics),
        zones=form.zones(),
        cadences=CADENCES,
        longest_stated=LONGEST_STATED,
        longest_line=LONGEST_LINE,
        kinds=KINDS,
        leave_path=f"{pages.path}/leave/{token}",
        learned_path=f"{pages.path}/preferences/{request.path_params['token']}/learned",
        export_path=f"{pages.path}/preferences/{request.path_params['token']}/export",
    )


def _today(now: datetime, network: Network) -> date:
    return now.astimezone(ZoneInfo(network.time_zone)).date()
