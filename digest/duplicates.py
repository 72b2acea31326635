"""Duplicates: items that are the same thing posted twice, by their link or by nearly the same text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import idna
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from digest.items import Item

Rows = sp.csr_matrix
Ints = npt.NDArray[np.int64]

SAME_TEXT = 0.9
"""Cosine of words and word pairs from which two texts are one. On the development corpora pairs above it are copies; between
0.8 and 0.9 half of them are of one series, such as announcements of this year's and last year's workshop."""
AT_ONCE = 20_000
"""Pairs of texts compared at one time."""
TRACKING = frozenset(
    "fbclid gclid dclid gbraid wbraid msclkid twclid yclid igshid mc_cid mc_eid mkt_tok _hsenc _hsmi s_cid wt_mc".split()
)
"""Parameters that say where a reader came from, not what they read; so do all that begin with `utm_`."""
PORTS = {"http": 80, "https": 443}


def normalised_link(url: str) -> str:
    """The page that a web address leads to, the same for all its spellings: without scheme, `www.`, case of the host, usual
    port, trailing slash, fragment and tracking parameters, its other parameters sorted.

    Empty for what is no web address, and for the front page of a site, which many different items lead to.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = _in_ascii(parts.hostname or "").rstrip(".").removeprefix("www."), parts.port
    except ValueError:
        return ""
    if parts.scheme not in PORTS or not host:
        return ""
    kept = sorted((name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if _says(name))
    page = _quoted(parts.path).rstrip("/") + (f"?{urlencode(kept)}" if kept else "")
    page += f"#{_quoted(parts.fragment)}" if parts.fragment.startswith(("!", "/")) else ""  # a page of a one-page site
    if not page:
        return ""
    return f"{host}{page}" if port in {None, PORTS[parts.scheme]} else f"{host}:{port}{page}"


def _in_ascii(host: str) -> str:
    """Raises ValueError for what is no name of a host."""
    return host if host.isascii() else idna.encode(host, uts46=True).decode()


def _quoted(part: str) -> str:
    return quote(unquote(part), safe="/!")


def _says(parameter: str) -> bool:
    return parameter.casefold() not in TRACKING and not parameter.casefold().startswith("utm_")


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Which items of an edition are the same thing, and which earlier items were."""

    group: Ints
    """Of shape (n_items,): the column of the first item that is the same thing, its own where there is none."""
    columns: dict[int, tuple[int, ...]]
    """For the key of each item, and of each earlier one that is the same thing as one of them: all columns of that group."""

    @classmethod
    def among(cls, items: Sequence[Item], texts: Rows, past: Sequence[Item], past_texts: Rows) -> "Duplicates":
        """`texts` and `past_texts` are the rows of words and word pairs of the items and of earlier ones."""
        group = groups(items, texts)
        members: dict[int, list[int]] = {}
        for column, leader in enumerate(group.tolist()):
            members.setdefault(leader, []).append(column)
        found = zip(*(places.tolist() for places in pairs(items, texts, past, past_texts)), strict=True)
        earlier: dict[int, set[int]] = {}
        for column, place in found:
            earlier.setdefault(past[place].key, set()).update(members[group[column]])
        columns = {key: tuple(sorted(places)) for key, places in earlier.items()}
        return cls(group, columns | {item.key: tuple(members[group[n]]) for n, item in enumerate(items)})


def groups(items: Sequence[Item], texts: Rows) -> Ints:
    """For each item the column of the first item that is the same thing (its own where there is none): shape (n_items,).

    `texts` are the items' rows of words and word pairs, of any length. Items that take place at different times are different
    whatever they share: a course is announced again each spring with the same words. One without a time that is the same as
    several of them belongs to the first.
    """
    first, second = pairs(items, texts, items, texts)
    graph = sp.csr_matrix((np.ones(len(first), np.int8), (first, second)), (len(items), len(items)))
    _, group = connected_components(graph, directed=False)
    times: dict[int, datetime] = {}
    for item, one in zip(items, group.tolist(), strict=True):
        if item.event_at is not None:
            times.setdefault(one, item.event_at)
    leaders: dict[tuple[int, datetime | None], int] = {}
    leading = [
        leaders.setdefault((one, item.event_at or times.get(one)), n)
        for n, (item, one) in enumerate(zip(items, group.tolist(), strict=True))
    ]
    return np.array(leading, dtype=np.int64)


def pairs(items: Sequence[Item], texts: Rows, others: Sequence[Item], other_texts: Rows) -> tuple[Ints, Ints]:
    """Places in `items` and in `others` of all pairs that are the same thing, each pair once."""
    linked, alike = _linked(items, others), _alike(texts, other_texts)
    both = np.unique(np.concatenate([linked, alike]), axis=0)
    kept = [not _differ_in_time(items[i], others[j]) for i, j in both.tolist()]
    both = both[np.array(kept, dtype=np.bool_)]
    return both[:, 0], both[:, 1]


def _differ_in_time(one: Item, other: Item) -> bool:
    return one.event_at is not None and other.event_at is not None and one.event_at != other.event_at


def _linked(items: Sequence[Item], others: Sequence[Item]) -> Ints:
    """Pairs with the same link, of shape (n, 2)."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(others):
        if link := normalised_link(item.url):
            places.setdefault(link, []).append(place)
    found = [(n, place) for n, item in enumerate(items) for place in places.get(normalised_link(item.url), ())]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _alike(texts: Rows, others: Rows) -> Ints:
    """Pairs with nearly the same text, of shape (n, 2).

    Only texts that share one of the heaviest terms are compared: what a row has beside them is too short to reach the cosine
    with any row of length 1 (prefix filter of Bayardo, Ma and Srikant 2007).
    """
    texts, others = _unit(texts), _unit(others)
    candidates = (_heads(texts) @ others.T).tocoo()
    first, second = candidates.row.astype(np.int64), candidates.col.astype(np.int64)
    cosine = np.concatenate(
        [
            np.asarray(texts[first[at : at + AT_ONCE]].multiply(others[second[at : at + AT_ONCE]]).sum(axis=1)).ravel()
            for at in range(0, len(first), AT_ONCE)
        ]
        or [np.empty(0)]
    )
    alike = cosine >= SAME_TEXT
    return np.stack([first[alike], second[alike]], axis=1)


def _heads(texts: Rows) -> Rows:
    """Of each row the heaviest terms, so many that the rest is shorter than `SAME_TEXT`."""
    row = np.repeat(np.arange(texts.shape[0]), np.diff(texts.indptr))
    order = np.lexsort((-texts.data, row))
    squares = texts.data[order].astype(np.float64) ** 2
    before = np.cumsum(squares) - squares
    starts = texts.indptr[:-1][row]
    before -= before[starts]
    kept = order[1.0 - before >= SAME_TEXT**2 - 1e-6]
    return sp.csr_matrix((texts.data[kept], (row[kept], texts.indices[kept])), texts.shape)


def _unit(texts: Rows) -> Rows:
    from sklearn.preprocessing import normalize

    return normalize(texts) if all(texts.shape) else texts
