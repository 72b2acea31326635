"""A subject made from what is inside: requests are named first, nothing is promised that is not there."""

from collections.abc import Sequence

from digest.cleaning import one_line
from digest.items import Item
from digest.summary import shortened
from digest.translation import Translation

LONGEST = 70
"""Characters after which phones and webmail cut a subject."""


def subject(items: Sequence[Item], translation: Translation, *, urgent: bool = False) -> str:
    """One line of about `LONGEST` characters for items in the order in which the mail shows them; never empty."""
    title = one_line(items[0].title) or translation.gettext("Without a title")
    if urgent:
        return shortened(_urgent(title, translation), LONGEST)
    requests = sum(item.kind == "request" for item in items)
    if requests > 1:
        return _with_others(_requests(requests, translation), len(items) - requests, translation)
    if requests == 1:
        title = translation.gettext("Request: %(title)s", title=title)
    rest = _others(len(items) - 1, translation)
    return f"{shortened(title, LONGEST - len(rest))}{rest}"


def _urgent(title: str, translation: Translation) -> str:
    """Said once, also where the title itself says so."""
    marked = translation.gettext("Urgent: %(title)s", title=title)
    word = marked.partition(":")[0].strip().casefold()
    return title if title.casefold().startswith(word) else marked


def _requests(n: int, translation: Translation) -> str:
    return translation.ngettext(
        "%(n)s request you may be able to answer", "%(n)s requests you may be able to answer", n
    )


def _with_others(start: str, n: int, translation: Translation) -> str:
    more = translation.ngettext("%(start)s, and %(n)s more", "%(start)s, and %(n)s more", n, start=start)
    return more if n else start


def _others(n: int, translation: Translation) -> str:
    more = translation.ngettext("and %(n)s more", "and %(n)s more", n)
    return f" ({more})" if n else ""
