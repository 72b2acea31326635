"""One or two sentences that say what an item is about: the poster's own summary, or the first that say something."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from digest.cleaning import one_line
from digest.items import Item
from digest.markdown import to_text
from digest.text import is_inside_syllable, is_unspaced

LONGEST = 280
"""Characters of a summary, its ellipsis included."""
SENTENCES = 2
ELLIPSIS = "…"

_READ = 8_000
"""Characters of a body that are looked at."""
_ADDRESS = re.compile(r"\(?\b(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_CLOSING = ")].,;:!?"
_MAILBOX = re.compile(r"<?\b[^\s<>()@,;:]+@[^\s<>()@,;:]+\.[^\s<>()@,;:.]+>?")
_HELLO = (
    r"(?:dear|hello|hi|hiya|hey|good (?:morning|afternoon|evening)|greetings|annwyl|helo|shwmae|s'?mae|bore da|prynhawn da"
    r"|bonjour|bonsoir|chers?|chères?|hola|estimad[oa]s?|querid[oa]s?|buenos días|buenas tardes"
    r"|buongiorno|salve|gentil[ei]|car[oiae])"
)
_GREETING = re.compile(
    rf"{_HELLO}\b[^.!?,:\n]{{0,60}}[,.!:]?\s*(?:\n|$)|{_HELLO}(?: [\w'’/&]+){{0,3}}[,!:]\s+(?=\S)", re.IGNORECASE
)
_PLEASANTRY = re.compile(
    r"^(?:i |we )?(?:hope|trust) (?:that )?(?:this|you|everyone|all)\b.{0,60}$|^(?:many )?thanks?\b.{0,40}$"
    r"|^(?:apologies|sorry) for cross[- ]?posting\b.{0,40}$|^please (?:see|find) (?:below|attached)\b.{0,40}$",
    re.IGNORECASE,
)
_MARKED = re.compile(r"^(?:[-*•] |\d+[.)] |> |    |-{3,})|\|")
_END = re.compile(
    r"[.!?…।॥؟۔]+[\"'”’»)\]]*(?=\s+[\"'“‘«(\[¿¡]*[^\W_a-z])|[。！？｡]+(?![」』”’）)])"  # the latter need no space
)
_MARKS = "、，；：。！？」』）"
_HIRAGANA = re.compile("[\u3041-\u309f]")
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|mx|prof|st|rev|sr|jr|no|nos|vol|pp?|figs?|approx|dept|vs|cf|tel|ext|e\.g|i\.e|a\.m|p\.m|al|inc|ltd"
    r"|mme|mlle|sra?|dra?|dott|sig|núm|pág|resp|med|hosp|univ|assoc|eds?|mon|tues?|wed|thu|thurs?|fri|sat|sun"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|janv|févr|avr|juil|déc|ene|abr|ago|dic|gen|mag|giu|lug|ott"
    r"|ion|chwef?|maw|ebr|meh|gorff|hyd|tach|rhag)|\b[^\W\d_]|\b\d{1,2})\.$",
    re.IGNORECASE,
)


def summary(item: Item) -> str:
    """Plain text on one line, at most `LONGEST` characters, never cut inside a word or number; empty for an item without text."""
    own = _readable(item.summary)
    if own and len(own) <= LONGEST and "@" not in own:
        return own
    return without_mailboxes(first_sentences(own or " ".join(_prose(item))))


def first_sentences(text: str) -> str:
    """The first informative sentences; what was left out after them is marked with an ellipsis."""
    every = list(_sentences(text))
    sentences = [n for n, s in enumerate(every) if not _PLEASANTRY.match(s) and not _MAILBOX.search(s)]
    if not sentences:
        return shortened(text, LONGEST)
    last, taken = sentences[0], every[sentences[0]]
    for n in sentences[1:SENTENCES]:
        longer = f"{taken}{'' if taken[-1] in _MARKS else ' '}{every[n]}"
        if len(longer) > LONGEST - 2:
            break
        last, taken = n, longer
    return shortened(taken, LONGEST, always=last < len(every) - 1)


def shortened(text: str, longest: int, *, always: bool = False) -> str:
    """`text`, or its beginning and an ellipsis in at most `longest` characters, cut between words and never inside a number
    written with spaces. `always` marks a text that fits too. A single word that is too long is cut where it must be; so is a
    text in a script without spaces where nothing shows its words, but never inside a number or a syllable."""
    if len(text) + 2 * always <= longest:
        return f"{text} {ELLIPSIS}" if always else text
    cut = text.rfind(" ", 0, longest - 1)
    if cut < longest // 2 and (place := _between_words(text, longest)):
        return f"{text[:place]}{ELLIPSIS}"
    while cut > 0 and text[cut - 1].isdigit() and text[cut + 1].isdigit():
        cut = text.rfind(" ", 0, cut)
    if cut <= 0:
        return f"{text[: longest - 1]}{ELLIPSIS}"
    head = text[:cut]
    opened = head.rfind("(")
    if opened > max(head.rfind(")"), cut // 2):
        head = head[:opened]
    return f"{head.rstrip(' ,;:–—-(')} {ELLIPSIS}"


def _between_words(text: str, longest: int) -> int:
    """Where to cut a text in a script without spaces: after its last mark, else where Japanese goes on from hiragana to another
    script, else between two characters, in the second half of what there is room for. 0 where there is no such place."""
    places = [n for n in range(longest // 2, longest) if _may_part(text[n - 1], text[n])]
    marks = [n for n in places if text[n - 1] in _MARKS]
    words = [n for n in places if _HIRAGANA.match(text[n - 1]) and not _HIRAGANA.match(text[n])]
    return max(marks or words or places, default=0)


def _may_part(before: str, after: str) -> bool:
    if after in _MARKS or not (is_unspaced(before) or is_unspaced(after) or before in _MARKS):
        return False
    return not is_inside_syllable(before, after)


def without_mailboxes(text: str) -> str:
    """A poster's address is not handed out: answers go through the network."""
    return one_line(_MAILBOX.sub(" ", text))


def _prose(item: Item) -> list[str]:
    """The paragraphs that are sentences; where there are none, whatever there is."""
    paragraphs = [p for p in to_text(item.body[:_READ]).split("\n\n") if p.strip()]
    readable = [_readable(_without_greeting(p) if n < 2 else p) for n, p in enumerate(paragraphs)]
    title = item.title.casefold().rstrip(".")
    prose = [
        text
        for text, source in zip(readable, paragraphs, strict=True)
        if not _MARKED.match(source) and _is_sentence(text) and text.casefold().rstrip(".") != title
    ]
    return prose or [text for text in readable if text]


def _without_greeting(paragraph: str) -> str:
    greeting = _GREETING.match(paragraph)
    rest = paragraph[greeting.end() :] if greeting else paragraph
    return rest[:1].upper() + rest[1:] if greeting else rest


def _is_sentence(text: str) -> bool:
    return len(text.split()) > 6 or (len(text.split()) > 1 and text[-1] in ".!?…)") or text.endswith(tuple("。！？"))


def _readable(text: str) -> str:
    """On one line; a web address as its site's name, because a mail's links are its own."""
    return one_line(_ADDRESS.sub(_site, text))


def _site(found: re.Match[str]) -> str:
    address = found.group()
    opening = "(" if address.startswith("(") else ""
    page = address.removeprefix("(").rstrip(_CLOSING)
    try:
        host = urlsplit(page if "://" in page else f"//{page}").hostname or ""
    except ValueError:
        host = ""
    return f"{opening}{host.removeprefix('www.')}{address[len(opening) + len(page) :]}"


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(text):
        sentence = text[start : end.end()]
        if _ABBREVIATION.search(sentence):
            continue
        yield sentence.strip()
        start = end.end()
    if text[start:].strip():
        yield text[start:].strip()
