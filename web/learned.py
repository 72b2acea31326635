"""What was learned about a member, taken back term by term or as a whole; the buttons stand on the preferences page."""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from profiles import links
from store import feedback, members
from web.context import WebContext, context_of
from web.rendering import pages_of
from web.security import read_form, refuse_foreign


async def learned(request: Request) -> Response:
    """Do what the button says and lead back to the preferences."""
    context, token = context_of(request), request.path_params["token"]
    public_id = links.verify(context.secret_key, "preferences", token)
    if public_id is None:
        raise HTTPException(404)
    refuse_foreign(request)
    await run_in_threadpool(_act, context, public_id, await read_form(request))
    path = f"{pages_of(request).path}/preferences/{token}?saved#learned"
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def _act(context: WebContext, public_id: str, form: FormData) -> None:
    now = context.now()
    with context.database.writing() as connection:
        member = members.find_by_public_id(connection, public_id)
        if member is None or member.member.status == "erased":
            raise HTTPException(404)
        if label := str(form.get("forget", "")):
            if label in {term.label for term in feedback.learned(connection, member.key)}:
                feedback.forget(connection, member.key, label, now)
        elif label := str(form.get("remember", "")):
            feedback.remember(connection, member.key, label)
        elif form.get("choice") == "forget_everything":
            feedback.forget_everything(connection, member.key, now)
        elif form.get("choice") == "restore_everything":
            feedback.restore_everything(connection, member.key, now)
