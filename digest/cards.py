"""What a template is given: an item as a card in one language, and the true reason why it is in a mail."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import quote, urlsplit

import idna

from digest.cleaning import one_line
from digest.items import KINDS, Item, Kind
from digest.summary import shortened, summary, without_mailboxes
from digest.translation import Translation, direction

LONGEST_TITLE = 200
LONGEST_NAME = 100
LONGEST_REASON = 120
"""Characters of a reason, about a line of a mail on a desk; its first words stand whatever their length."""

_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_LOOPBACK = frozenset({"localhost", "127.0.0.1"})
_MARKUP = re.compile(
    r"</?(?:a|abbr|b|big|br|div|em|font|h[1-6]|hr|i|img|li|p|script|small|span|strong|style|su[bp]|u)\b[^>]*>", re.I
)
_UNBROKEN = re.compile(r" (?=…$)|(?<=\d) (?=\d{3}\b)")
"""Spaces at which a line may not break: before the ellipsis, and inside a number."""
_PRIVATE = re.compile("[\ue000-\uf8ff]")


@dataclass(frozen=True, slots=True)
class Card:
    """One item as the mail shows it: plain text that is not escaped yet, and addresses that are safe in a link."""

    kind: Kind
    title: str
    summary: str
    byline: str
    """Who posted it, as a phrase of the mail's language; may be empty."""
    dates: tuple[str, ...]
    """The event's date and the deadline, in words of the mail's language."""
    url: str
    """Where the title leads: the item's own https address, or its page."""
    page: str
    """The item's own page here."""
    help_url: str
    """For a request: a mailto address of the network with a subject that names the item. The poster's address is never shown."""
    help_address: str
    help_subject: str
    language: str
    """The item's language when it is not the mail's, else empty."""
    direction: str
    """ltr or rtl when the language is given, else empty."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mail's links lead."""

    base_url: str
    reply_to: str
    time_zone: str


def card(item: Item, place: Place, translation: Translation) -> Card:
    page = f"{place.base_url}/items/{quote(item.public_id, safe='', errors='replace')}"
    title = shortened(line(item.title), LONGEST_TITLE) or translation.gettext("Without a title")
    language = item.language if _TAG.fullmatch(item.language) and _differs(item.language, translation.language) else ""
    poster = shortened(without_mailboxes(line(item.poster)).strip(" ,;"), LONGEST_NAME)
    subject = translation.gettext("I can help: %(title)s", title=shortened(title, LONGEST_NAME))
    return Card(
        kind=item.kind,
        title=title,
        summary=_UNBROKEN.sub("\u00a0", line(summary(item))),
        byline=translation.gettext("From %(poster)s", poster=poster) if poster else "",
        dates=tuple(_dates(item, place.time_zone, translation)),
        url=web_address(item.url) or page,
        page=page,
        help_url=_mailto(place.reply_to, subject, page) if item.kind == "request" else "",
        help_address=place.reply_to,
        help_subject=subject,
        language=language,
        direction=direction(language) if language else "",
    )


def in_brief(card: Card) -> Card:
    """The card without what its item's page tells as well."""
    return replace(card, summary="", byline="", help_url="")


def in_brief_words(n: int, translation: Translation) -> str:
    return translation.ngettext("%(n)s more, in brief", "%(n)s more, in brief", n)


def without_room_words(n: int, translation: Translation) -> str:
    return translation.ngettext("%(n)s more, without room in this mail", "%(n)s more, without room in this mail", n)


def feedback_url(place: Place, token: str) -> str:
    """The page on which a member says what they think of an item; empty without a token."""
    return f"{place.base_url}/feedback/{token}" if token else ""


def line(text: str) -> str:
    """One clean line; html tags that came along with a text are dropped, as they would be shown and not obeyed."""
    return one_line(_MARKUP.sub(" ", _PRIVATE.sub(" ", text)))


def heading(kind: Kind, translation: Translation) -> str:
    _ = translation.gettext
    return {
        "request": _("Requests for help"),
        "event": _("Events"),
        "opportunity": _("Funding and opportunities"),
        "job": _("Jobs"),
        "resource": _("Evidence and resources"),
        "news": _("News"),
        "survey": _("Surveys"),
    }[kind]


def counted(kind: Kind, n: int, translation: Translation) -> str:
    """ "2 requests", in the language's own plural form."""
    ngettext = translation.ngettext
    return {
        "request": ngettext("%(n)s request", "%(n)s requests", n),
        "event": ngettext("%(n)s event", "%(n)s events", n),
        "opportunity": ngettext("%(n)s opportunity", "%(n)s opportunities", n),
        "job": ngettext("%(n)s job", "%(n)s jobs", n),
        "resource": ngettext("%(n)s resource", "%(n)s resources", n),
        "news": ngettext("%(n)s news item", "%(n)s news items", n),
        "survey": ngettext("%(n)s survey", "%(n)s surveys", n),
    }[kind]


def lead(kinds: Sequence[Kind], translation: Translation, *, urgent: bool = False) -> str:
    """What is inside, in the order of the mail: "Chosen for you: 2 requests, 1 event"; or why it comes outside the digest."""
    if urgent:
        return translation.gettext("Sent to you now, outside your digest, because it is urgent and fits you well")
    counts = ", ".join(counted(kind, kinds.count(kind), translation) for kind in KINDS if kind in kinds)
    return translation.gettext("Chosen for you: %(counts)s", counts=counts)


def _(message: str) -> str:
    """Marks a message for translation."""
    return message


def reason(terms: Iterable[tuple[str, str]], topic_labels: Mapping[str, str], translation: Translation) -> str:
    """The sentence under a card. `terms` are (label, source) pairs, heaviest first.

    A source is stated, topic, related or learned; a topic may be named by its key or its label. Nothing is named twice. The
    sources deep and bridging, of an empty term, say first that the item comes from under the threshold, and why. What makes the
    sentence longer than `LONGEST_REASON` is left out, the lightest term first.
    """
    terms = list(terms)
    kept = {"network", *_notes(translation)}
    while len(sentence := _reason(terms, topic_labels, translation)) > LONGEST_REASON:
        light = [n for n, (_, source) in enumerate(terms) if source not in kept][1:]
        if not light:
            break
        del terms[light[-1]]
    return sentence


def _reason(terms: Sequence[tuple[str, str]], topic_labels: Mapping[str, str], translation: Translation) -> str:
    grouped: dict[str, list[str]] = {}
    named: set[str] = set()
    for term, source in terms:
        label = _label(topic_labels.get(term, term) if source == "topic" else term)
        if label and label.casefold() not in named:
            named.add(label.casefold())
            grouped.setdefault(source, []).append(label)
    words, notes = _sources(translation), _notes(translation)
    reasons = [notes[source] for _, source in terms if source in notes]
    reasons += [
        words.get(source, words["related"]) % {"terms": ", ".join(labels)} for source, labels in grouped.items()
    ]
    if not reasons:
        return translation.gettext("Why you get this: it fits your interests as a whole")
    return translation.gettext("Why you get this: %(reasons)s", reasons="; ".join(reasons))


@lru_cache(20_000)
def _label(term: str) -> str:
    return line(term)


def web_address(url: str) -> str:
    """An https address in ASCII, or empty for any other scheme, a name and password in it, or a host that is none.

    http counts on this machine only: mail clients warn of plain http, and the item's own page leads on.
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        host = host if host.isascii() else idna.encode(host, uts46=True).decode()
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        return ""
    if parts.username is not None or parts.password is not None or not _HOST.fullmatch(host):
        return ""
    rest = parts.path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
    return f"{parts.scheme}://{host}{port}{_percent_encoded(rest)}"


def _percent_encoded(rest: str) -> str:
    return quote(rest, safe="/?#&=+;,:@!$*'()~%-._[]", errors="replace").replace("[", "%5B").replace("]", "%5D")


def _dates(item: Item, time_zone: str, translation: Translation) -> Iterator[str]:
    if item.event_at:
        yield translation.moment(item.event_at, time_zone)
    if item.deadline:
        until = translation.moment(item.deadline, time_zone)
        yield _until(item.kind, translation) % {"date": until}


def _until(kind: Kind, translation: Translation) -> str:
    _ = translation.gettext
    return {
        "request": _("Reply by %(date)s"),
        "event": _("Register by %(date)s"),
        "opportunity": _("Apply by %(date)s"),
        "job": _("Apply by %(date)s"),
        "survey": _("Open until %(date)s"),
    }.get(kind, _("Until %(date)s"))


@lru_cache(16)
def _sources(translation: Translation) -> dict[str, str]:
    _ = translation.gettext
    return {
        "network": _("you are in %(terms)s"),
        "stated": _("you said %(terms)s"),
        "topic": _("you follow %(terms)s"),
        "related": _("related to what you said: %(terms)s"),
        "learned": _("like what you found useful: %(terms)s"),
    }


@lru_cache(16)
def _notes(translation: Translation) -> dict[str, str]:
    _ = translation.gettext
    return {
        "deep": _("asked of you because few others could answer; it fits you less closely than usual"),
        "bridging": _("from beside your usual field"),
    }


def _mailto(address: str, subject: str, body: str) -> str:
    return f"mailto:{quote(address, safe='@+')}?subject={quote(subject, safe='')}&body={quote(body, safe='')}"


def _differs(language: str, other: str) -> bool:
    return language.split("-")[0].lower() != other.split("-")[0].lower()
