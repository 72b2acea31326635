"""What the pages are given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from starlette.requests import Request

from digest.budgets import Allowance, Bounds
from profiles.reachability import Rule
from store.database import Database

USUAL = Bounds(Allowance(3, 6, 4), Allowance(7, 1, 20))


@dataclass(frozen=True, slots=True)
class WebContext:
    """Everything the pages need. `templates` is the folder of the pages' templates, `base_url` has no slash at its end."""

    database: Database
    secret_key: bytes
    base_url: str
    now: Callable[[], datetime]
    templates: Path
    items_per_digest: int = 6
    """The cap where a network sets none."""
    mail_languages: tuple[str, ...] = ("en",)
    """The languages in which a mail can be written."""
    budget: Bounds = USUAL
    """What a member may choose to be sent, in one network."""
    budget_overall: Bounds = USUAL
    """The same over all networks."""
    webhook_secret: bytes = b""
    """What the webhook for bounces is signed with; empty: there is none."""
    bounce_rule: Rule = field(default_factory=Rule)


def context_of(request: Request) -> WebContext:
    context = request.app.state.context
    assert isinstance(context, WebContext)
    return context
