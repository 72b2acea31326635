"""From a template and finished values to a response."""

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

LANGUAGE = "en"
"""The language of the pages' own words."""


class Pages:
    """The pages' templates and their one stylesheet, read once."""

    def __init__(self, templates: Path, base_url: str) -> None:
        self.path = urlsplit(base_url).path
        """The part of every address between the host and a page's own path; empty for most."""
        self.stylesheet = (templates / "style.css").read_bytes()
        self._environment = Environment(
            loader=FileSystemLoader(templates),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(day=_day, moment=_moment)
        self._environment.globals.update(
            language=LANGUAGE,
            path=self.path,
            stylesheet=f"{self.path}/style.css?{sha256(self.stylesheet).hexdigest()[:12]}",
        )

    def answer(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page that no cache may keep, since most are about one member."""
        html = self._environment.get_template(template).render(values)
        return HTMLResponse(html, status, {"Cache-Control": "no-store", "Content-Language": LANGUAGE})


def pages_of(request: Request) -> Pages:
    pages = request.app.state.pages
    assert isinstance(pages, Pages)
    return pages


def _day(at: datetime, time_zone: str = "UTC") -> str:
    """ "Monday, 16 November 2026" in `time_zone`."""
    day = at.astimezone(ZoneInfo(time_zone)) if isinstance(at, datetime) else at
    return str(format_date(day, "EEEE, d MMMM y", locale=LANGUAGE))


def _moment(at: datetime, time_zone: str) -> str:
    """ "Monday, 16 November 2026, 07:30" on the clocks of `time_zone`."""
    return str(format_datetime(at.astimezone(ZoneInfo(time_zone)), "EEEE, d MMMM y, HH:mm", locale=LANGUAGE))
