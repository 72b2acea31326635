"""Text to terms: what a title, a body or a stated interest says, word by word, for each language."""

import html
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from itertools import islice

MAX_CHARS = 20_000
"""Characters of an item's text that are analysed (some 3,000 words): the rest of a longer text adds nothing to its subject."""
MEMO_WORDS = 500_000
"""Distinct words remembered with their stem before the memory is emptied, so that it stays bounded."""
GUESS_WORDS = 60
GUESS_SHARE = 0.1

SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian",
    "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""BCP 47 primary tag to Snowball stemmer. Welsh has none: its words are taken as they are."""

# Function words only. A longer list drops what professionals mean by "research", "system", "information" or "interest".
STOP_WORDS: dict[str, frozenset[str]] = {
    "en": frozenset(
        """a about above after again against all also am an and any are aren as at be because been before being below
        between both but by can cannot could couldn did didn do does doesn doing don down during each etc few for from
        further had hadn has hasn have haven having he her here hers herself him himself his how however i if in into
        is isn it its itself just ll may me might more most must my myself nor not of off on once only onto or other
        ought our ours ourselves out over own re same shall she should shouldn so some such than that the their theirs
        them themselves then there these they this those through thus to too under until up upon us ve very was wasn we
        were weren what when where whether which while who whom whose why will with within without would wouldn yet you
        your yours yourself yourselves""".split()
    ),
    "cy": frozenset(
        """a ac am ar arall arnom at ato atom beth bod bu byddwch byddwn bydd byth chi chwi da dan dros drwy dw dyma ddim
        e ef efo ei eich ein eisiau ellir er eto eu fe fel felly fi fo fod fy fyddai gael gallwch gan ganddo ganddynt gan
        gwneud gyda gyfer gyfer hefyd heb hi hon hwn hyn hynny hynny i iawn iddo iddynt iddyn ie lle ma mae maent maen
        mai mewn mi mwy na nac nad ni nhw neu nid nes o oddi oedd oes ond os oni pan pam pe pob pwy roedd roeddwn rydw
        rydych rydym rydyn rhai rhwng sut sy sydd tan ti trwy tu tua un unrhyw wedi wedyn wrth wnaeth y ych yn yna ym yma
        yng yno yr ydy ydyn ydynt yw""".split()
    ),
    "fr": frozenset(
        """a afin ai aie ainsi alors au aucun aucune aura aussi autre autres aux avait avant avec avez avoir avons c car ce
        ceci cela celle celles celui ces cet cette ceux chaque chez ci comme comment d dans de depuis des deux donc dont du
        elle elles en encore entre es est et eu eux fait faut furent fut il ils j je jusqu l la le les leur leurs lors lui
        m ma mais me mes moi mon même n ne ni nos notre nous on ont ou où par parce pas pendant peu peut plus pour pourquoi
        qu quand que quel quelle quelles quels qui quoi s sa sans se sera ses si soit son sont sous sur t ta te tes toi ton
        tous tout toute toutes très tu un une vers vos votre vous y à été être""".split()
    ),
    "es": frozenset(
        """a al algo algunas algunos ambos ante antes aquel aquella aquí así aunque cada como con contra cual cuales cuando
        de del desde donde dos durante e el él ella ellas ellos en entre era eran es esa esas ese eso esos esta está están
        estas este esto estos fue fueron ha había han hasta hay la las le les lo los más me mi mientras mis mucho muy ni
        no nos nosotros nuestra nuestras nuestro nuestros o os otra otras otro otros para pero poco por porque pues que
        qué quien quién se sea según ser si sí sido sin sobre son su sus también tan te tiene tienen todo todos tu tus un
        una unas uno unos usted ustedes vosotros vuestra vuestro y ya yo""".split()
    ),
    "it": frozenset(
        """a ad agli ai al alla alle allo anche ancora avere aveva c che chi ci ciascuno coi col come con contro cui d da
        dagli dai dal dalla dalle dallo degli dei del dell della delle dello dentro di dopo dove due e è ed era erano essere
        fra gli ha hanno ho i il in io l la le lei li lo loro lui ma me mentre mi mia mio molto ne negli nei nel nell nella
        nelle nello noi non nostra nostro o ogni per perché perciò però più poi quale quali quando quanto quella quelle
        quelli quello questa queste questi questo qui s se sei si sia siamo sono sopra sotto stata stati stato su sua sue
        sugli sui sul sulla sulle sullo suo suoi te ti tra tu tua tuo tutti tutto un una uno vi voi vostra vostro""".split()
    ),
}  # fmt: skip
"""Function words for each language that Germane's own networks use, after the Snowball project's lists."""

_LANGUAGES_OF: dict[str, tuple[str, ...]] = {
    word: tuple(language for language, stop in STOP_WORDS.items() if word in stop)
    for word in frozenset().union(*STOP_WORDS.values())
}

# Marks that belong to a word although `\w` does not know them: accents, vowel signs of Hebrew, Arabic and the Indic scripts.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0981-\u0dff"
    "\u0e31-\u0e4e\u0eb1-\u0ece\u102b-\u103e\u17b4-\u17d3"
)
WORD = re.compile(rf"(?<!\w)[^\W\d_](?:\+\+|#)(?!\w)|[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")
MARK = re.compile(r"[.,;:!?…()\[\]{}\"“”«»|/–—•·、。「」]+|\n\s*\n|\s[-*]+\s")
"""What stands between two words that are no phrase."""
_WORD_OR_MARK = re.compile(f"{WORD.pattern}|{MARK.pattern}")
CODE = re.compile(r"(?<![A-Za-z0-9])[A-Za-z](?:[A-Za-z0-9]*-\d[A-Za-z0-9]*|\d+\.\d+)(?![A-Za-z0-9_-])")
"""A word and a number joined by a hyphen, or a letter's decimal number: COVID-19, EQ-5D, J44.9, SARS-CoV-2 (its last part)."""
DECIMAL = re.compile(r"\d[.,](\d+)\s+([^\W\d_][^\W_]*)")
"""The decimal places of a number and the word after them: of "7.3 kPa" what would be read as "3 kPa"."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_AFTER = "\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3"
_BEFORE = "\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4"
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,2000}(?:\s\"[^\"]{0,200}\")?\)")
_URL = re.compile(r"(?:https?://|ftp://|mailto:|www\.)[^\s<>)\]\"]+", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_TAG = re.compile(
    r"</?(?:a|abbr|b|blockquote|br|code|div|em|figure|h[1-6]|hr|i|img|li|ol|p|pre|small|span|strong|sub|sup|table|tbody|td|th|thead|tr|u|ul)"
    r"(?:\s[^<>]{0,500})?/?>",
    re.IGNORECASE,
)


def plain_text(markdown: str, longest: int = MAX_CHARS) -> str:
    """The words of a Markdown text without links' targets, tags, URLs and e-mail addresses; at most `longest` characters."""
    text = markdown[:longest]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)[:longest]
    if "&" in text:
        text = html.unescape(text)
    if "](" in text:
        text = _IMAGE_OR_LINK.sub(r" \1 ", text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "://" in text or "www." in text or "mailto:" in text:
        text = _URL.sub(" ", text)
    if "@" in text:
        text = _ADDRESS.sub(" ", text)
    return text


def words_of(plain: str) -> list[str]:
    """The words of a plain text as they are written; runs of a script without spaces as their character pairs."""
    return _parted(WORD.findall(plain), plain)


def words_and_marks(plain: str) -> list[str]:
    """The same with the marks between them."""
    return _parted(_WORD_OR_MARK.findall(plain), plain)


def is_mark(word: str) -> bool:
    return MARK.match(word) is not None


def _parted(words: list[str], plain: str) -> list[str]:
    if plain.isascii() or not _UNSPACED.search(plain):
        return words
    return [part for word in words for part in _unspaced_parts(word)]


def _unspaced_parts(word: str) -> Iterator[str]:
    """'肺康复' -> '肺康', '康复'; what stands between two such runs stays whole."""
    end = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > end:
            yield word[end : run.start()]
        chars = run.group()
        yield from (chars[i : i + 2] for i in range(max(1, len(chars) - 1)))
        end = run.end()
    if end < len(word):
        yield word[end:]


class Stems(dict[str, str]):
    """Words as written -> their term in one language; "" for a function word. Remembers what it has seen."""

    def __init__(self, language: str, stemming: bool = True, stopping: bool = True) -> None:
        super().__init__()
        self.stop_words = STOP_WORDS.get(language, frozenset()) if stopping else frozenset()
        self._stem = _stemmer(language) if stemming else str

    def __missing__(self, word: str) -> str:
        folded = word.casefold()
        term = "" if folded in self.stop_words else self._stem(folded)
        if len(self) >= MEMO_WORDS:
            self.clear()
        self[word] = term
        return term


def _stemmer(language: str):  # type: ignore[no-untyped-def]
    algorithm = SNOWBALL.get(language)
    if algorithm is None:
        return str
    import Stemmer

    return Stemmer.Stemmer(algorithm).stemWord


class Analyser:
    """Turns texts of any number of languages into terms. Keeps one memory of stems for each language."""

    def __init__(self, default_language: str = "en", stemming: bool = True, stopping: bool = True) -> None:
        self.default_language = default_language
        self._switches = stemming, stopping
        self._stems: dict[str, Stems] = {}

    def stems(self, language: str) -> Stems:
        """The stems of a language given by its BCP 47 tag ("en", "en-GB"); an unknown one stems nothing."""
        primary = language.partition("-")[0].casefold()
        if primary not in self._stems:
            self._stems[primary] = Stems(primary, *self._switches)
        return self._stems[primary]

    def terms(self, text: str, language: str) -> list[str]:
        """Terms of a text in the order of the text; "" stands where a function word stood."""
        stems = self.stems(language)
        return [stems[word] for word in words_of(plain_text(text))]

    def readings(self, phrase: str) -> set[tuple[str, ...]]:
        """Terms of a phrase in each language that has stop words, function words left out.

        An abbreviation is a word of none of them and is read as in the default one: Spanish would make the English fen of FeNO.
        """
        words = words_of(plain_text(phrase))
        usual = self.stems(self.default_language)
        read = [[(usual if _is_abbreviation(word) else self.stems(one))[word] for word in words] for one in STOP_WORDS]
        return {tuple(term for term in terms if term) for terms in read}

    def seen(self) -> Iterator[tuple[str, str]]:
        """Every word as written with its term, of all languages read so far, function words left out."""
        for stems in self._stems.values():
            yield from ((word, term) for word, term in stems.items() if term)

    def language_of(self, words: Iterable[str]) -> str:
        """The language whose function words are commonest among these words; the default one where none is common."""
        counts, seen = dict.fromkeys(STOP_WORDS, 0), 0
        for word in islice((word for word in words if not is_mark(word)), GUESS_WORDS):
            seen += 1
            for language in _LANGUAGES_OF.get(word if word.islower() else word.casefold(), ()):
                counts[language] += 1
        best = max(counts, key=lambda language: (counts[language], language == self.default_language))
        return best if counts[best] > GUESS_SHARE * seen else self.default_language


def _is_abbreviation(word: str) -> bool:
    return sum(character.isupper() for character in word) > 1


def is_term(stem: str) -> bool:
    """True where a stem says something alone: two characters or more, one of them a letter. "D" and "19" only do in a pair."""
    return len(stem) > 1 and not stem.isdigit()


def is_unspaced(text: str) -> bool:
    """True for a text all in scripts without spaces between words."""
    return _UNSPACED.fullmatch(text) is not None


def pieces_of(plain: str, parts: Container[str]) -> Iterator[str]:
    """The longest pieces of a plain text in scripts without spaces whose character pairs are all among `parts`."""
    for word in WORD.findall(plain):
        for run in _UNSPACED.finditer(word):
            chars, start = run.group(), 0
            for end in range(1, len(chars) + 1):
                if end < len(chars) and chars[end - 1 : end + 1] in parts:
                    continue
                if end - start > 1 or (len(chars) == 1 and chars in parts):
                    yield chars[start:end]
                start = end


def is_inside_syllable(before: str, after: str) -> bool:
    """Whether two characters in a row belong to one syllable for certain: a sign or vowel follows its consonant, or a Thai or Lao
    vowel that is written before one."""
    return before in _BEFORE or after in _AFTER or unicodedata.category(after)[0] == "M"


def whole_syllables(text: str) -> str:
    """A piece of a text in a script without spaces, without what at its ends belongs to a syllable that was cut off."""
    start = next((n for n, character in enumerate(text) if not is_inside_syllable("x", character)), len(text))
    return text[start:].rstrip(_BEFORE)


def joined(first: str, second: str) -> str:
    """Two parts of a text in a script without spaces that overlap as one: '肺康' and '康复' make '肺康复'; else ''."""
    if not (is_unspaced(first) and is_unspaced(second)):
        return ""
    most = min(len(first), len(second)) - 1
    overlap = next((n for n in range(most, 0, -1) if first.endswith(second[:n])), 0)
    return first + second[overlap:] if overlap else ""
