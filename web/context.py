"""What the pages are given."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from starlette.requests import Request

from store.database import Database


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


def context_of(request: Request) -> WebContext:
    context = request.app.state.context
    assert isinstance(context, WebContext)
    return context
