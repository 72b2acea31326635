"""Pages on which one can look at every mail as the member sees it: plain files without script, server or outside resource."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jobs.services import TEMPLATES

PAGES = "pages"
_HEAD = "<head>"
_IN_A_FRAME = (
    """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
    '<base target="_blank" rel="noopener">'
)
"""What a shown mail is given: nothing runs and nothing is loaded, and its links open apart. A sandboxed frame would do the
same, but browsers draw it late: pictures of the page came out empty."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is worth knowing about a member beside their mail. Everything but the name may be empty."""

    name: str
    profession: str = ""
    interest: str = ""
    """What the member said they want to hear about, in their own words."""
    details: tuple[tuple[str, str], ...] = ()
    """More of the profile, such as ("Region", "Wales"), in the order to show."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A mail, as octets or as the file that holds them, and who got it."""

    message: bytes | Path
    member: Facts


@dataclass(frozen=True, slots=True)
class Skipped:
    """A member who got nothing, and why, in words."""

    member: Facts
    reason: str


@dataclass(frozen=True, slots=True)
class _View:
    """A mail taken apart for its page."""

    number: int
    member: Facts
    subject: str
    sender: str
    recipient: str
    headers: str
    text: str
    html: str
    octets: int

    @property
    def page(self) -> str:
        return f"{self.number:04d}.html"

    @property
    def frame(self) -> str:
        return f"{self.number:04d}.mail.html"


def write_gallery(
    folder: Path,
    mails: Sequence[Delivered],
    skipped: Sequence[Skipped] = (),
    summary: Sequence[tuple[str, str]] = (),
    title: str = "Weekly digest",
) -> Path:
    """Write index.html and pages/ into `folder` and return the index; pages of an earlier gallery there are replaced.

    `summary` are rows of the table on top, such as ("Digests sent", "104").
    """
    environment = _environment()
    views = [_view(number, mail) for number, mail in enumerate(mails, start=1)]
    _write_pages(folder / PAGES, environment, views, title)
    page = environment.get_template("gallery.html").render(
        title=title, pages=PAGES, views=views, reasons=_by_reason(skipped), skipped=len(skipped), summary=summary
    )
    index = folder / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def _environment() -> Environment:
    loader = FileSystemLoader(TEMPLATES / "web")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _write_pages(folder: Path, environment: Environment, views: Sequence[_View], title: str) -> None:
    """Two files a mail: its page, and its html part, which the page shows in frames."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.html"):
        old.unlink()
    template = environment.get_template("gallery.mail.html")
    neighbours = zip(views, [None, *views], [*views[1:], None], strict=False)
    for view, before, after in neighbours:
        page = template.render(view=view, before=before, after=after, title=title, total=len(views))
        (folder / view.page).write_text(page, encoding="utf-8")
        (folder / view.frame).write_text(view.html.replace(_HEAD, _HEAD + _IN_A_FRAME, 1), encoding="utf-8")


def _view(number: int, mail: Delivered) -> _View:
    octets = mail.message.read_bytes() if isinstance(mail.message, Path) else mail.message
    message: EmailMessage = message_from_bytes(octets, policy=policy.default)
    head = octets.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return _View(
        number=number,
        member=mail.member,
        subject=str(message["Subject"] or "(no subject)"),
        sender=str(message["From"] or ""),
        recipient=str(message["To"] or ""),
        headers=head.decode("utf-8", "replace"),
        text=_content(message, "plain"),
        html=_content(message, "html"),
        octets=len(octets),
    )


def _content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""


def _by_reason(skipped: Sequence[Skipped]) -> list[tuple[str, list[Facts]]]:
    """Most frequent reason first."""
    counts = Counter(one.reason for one in skipped)
    return [(reason, [one.member for one in skipped if one.reason == reason]) for reason, _ in counts.most_common()]
