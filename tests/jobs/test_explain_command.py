from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Row, select, update

from jobs.explain import compared
from profiles.member import Profile
from store import editions, items
from tests.builders import NOW
from tests.jobs.installation import MEMBERS, Installation, germane, printed

SUBJECTS = ("stroke rehabilitation", "breathlessness clinics", "pulmonary rehabilitation", "falls prevention")
PLACES = ("at home", "by telephone", "in care homes", "after discharge", "for carers", "in rural practice")
FORMS = ("A guideline on", "A study of", "How three teams set up")
FULL = Profile(
    stated="falls prevention and stroke rehabilitation at home", chosen=("stroke", "lungs"), languages=("en",)
)


@pytest.fixture
def library(installation: Installation) -> Installation:
    """Enough items for the vectors to have a latent part, and a member with a profile of every kind."""
    for n, (form, subject, place) in enumerate(product(FORMS, SUBJECTS, PLACES)):
        title = f"{form} {subject} {place}"
        installation.post(
            title=title, body=f"{title}, with {subject} described by its teams.", topics=("lungs",) * (n % 3),
            external_id=f"paper-{n}", kind="resource", published_at=NOW - timedelta(hours=n),
        )  # fmt: skip
    installation.join("all@example.org", FULL)
    return installation


@pytest.mark.parametrize("item", ["esd", "paper-2", "paper-19", "library"])
@pytest.mark.parametrize("who", ["ann@example.org", "bob@example.org", "all@example.org"])
@pytest.mark.parametrize("stored", [False, True])
def test_the_weights_of_the_terms_sum_to_the_score(library: Installation, who: str, item: str, stored: bool) -> None:
    if stored:
        germane("run")
    told = printed("explain", who, item)
    total = sum(term["weight"] for term in told["terms"])
    assert told["score"] == pytest.approx(max(0.0, total), abs=1e-6)
    assert told["sum"] == total
    assert told["edition"] == ("2026-W47" if stored else "one that would open now")
    weights = [term["weight"] for term in told["terms"]]
    assert weights == sorted(weights, reverse=True)


def _chosen(installation: Installation) -> list[Row[Any]]:
    """What the edition chose: address, item, score, match, rank and reason of each pair."""
    with installation.database.reading() as connection:
        query = (
            select(editions.MEMBER.c.address, items.TABLE.c.public_id, editions.DIGEST_ITEM)
            .join_from(editions.DIGEST_ITEM, editions.MEMBER, editions.MEMBER.c.id == editions.DIGEST_ITEM.c.member_id)
            .join(items.TABLE, items.TABLE.c.id == editions.DIGEST_ITEM.c.item_id)
            .order_by(editions.DIGEST_ITEM.c.digest_id, editions.DIGEST_ITEM.c.rank)
        )
        return list(connection.execute(query))


def test_score_match_outcome_and_reasons_are_those_of_the_edition(library: Installation) -> None:
    germane("run")
    chosen = _chosen(library)
    assert len(chosen) >= 8
    for row in chosen[:10]:
        told = printed("explain", row.address, row.public_id)
        assert told["score"] == pytest.approx(row.score, abs=1e-6)
        assert told["match"] == pytest.approx(row.match, abs=1e-3)
        assert told["outcome"] == f"in the digest, at place {row.rank}"
        terms = {term["term"] for term in told["terms"] if term["weight"] > 0}
        words = {word for term in terms for word in term.split()}
        assert all(label in terms or set(label.split()) <= words for label, *_ in row.reason), (
            "a phrase joins its terms"
        )


@pytest.mark.parametrize(
    ("who", "item", "sources"),
    [
        ("ann@example.org", "esd", {"stated", "related"}),
        ("bob@example.org", "rehab", {"topic", "related"}),
    ],
)
def test_each_term_tells_where_it_comes_from(
    installation: Installation, who: str, item: str, sources: set[str]
) -> None:
    terms = [term for term in printed("explain", who, item)["terms"] if term["weight"] > 0]
    assert {term["source"] for term in terms[:2]} & (sources - {"related"}), "what they said comes among the first"
    assert {term["source"] for term in terms} <= sources


def test_in_words_it_shows_terms_sum_threshold_and_outcome(installation: Installation) -> None:
    germane("run")
    told = printed("explain", "bob@example.org", "rehab")
    words = " ".join(germane("explain", "bob@example.org", "rehab").stdout.split())
    assert f"sum of all {len(told['terms'])} terms = score {told['score']:.4f}" in words
    assert f"match {told['match']:.0f} of 100, at or above the threshold of 1" in words
    assert "edition 2026-W47: in the digest, at place 1" in words
    assert told["terms"][0]["term"] in words


def test_what_does_not_fit_has_a_score_of_nothing_and_says_so(installation: Installation) -> None:
    germane("run")
    told = printed("explain", "carol@example.org", "library")
    assert (told["score"], told["match"], told["sum"]) == (0, 0, 0)
    assert told["outcome"] == "no digest: nothing fits"
    assert "below the threshold" in germane("explain", "carol@example.org", "library").stdout


def test_what_shares_no_term_is_told_instead_of_an_empty_table(installation: Installation) -> None:
    shown = germane("explain", "carol@example.org", "library").stdout
    assert "no term in common" in shown
    assert "weight" not in shown
    assert "not in an edition yet; an edition that would open now is explained" in shown


def test_a_long_title_stands_on_one_line(installation: Installation) -> None:
    installation.post(title=f"{'Stroke ' * 19}Stroke", external_id="long")
    assert f"ann@example.org and “{'Stroke ' * 19}Stroke”" in germane("explain", "ann@example.org", "long").stdout


@pytest.mark.parametrize(
    ("match", "threshold", "expected"),
    [
        (32.7, 33.0, "match 32.7 of 100, below the threshold of 33.0"),
        (32.96, 33.0, "match 32.96 of 100, below the threshold of 33.00"),
        (33.2, 33.4, "match 33.2 of 100, below the threshold of 33.4"),
        (33.4, 32.6, "match 33 of 100, at or above the threshold of 33"),
        (33.0, 33.0, "match 33 of 100, at or above the threshold of 33"),
        (12.0, 33.0, "match 12 of 100, below the threshold of 33"),
    ],
)
def test_a_match_never_looks_like_the_threshold_it_is_below(match: float, threshold: float, expected: str) -> None:
    assert compared(match, threshold) == expected


def test_a_profile_without_any_interest_is_explained_too(installation: Installation) -> None:
    told = printed("explain", "dora@example.org", "esd")
    assert (told["score"], told["outcome"]) == (0, "not in an edition yet")


def test_an_edition_can_be_named_and_must_have_had_the_item(installation: Installation) -> None:
    germane("run")
    told = printed("explain", "bob@example.org", "rehab", "--edition", "2026-W47")
    assert told["edition"] == "2026-W47"
    result = germane("explain", "bob@example.org", "rehab", "--edition", "2026-W01")
    assert result.exit_code == 2
    assert "edition 2026-W01 of breathe-well does not exist" in result.stderr


def test_an_item_that_came_later_is_explained_as_of_now(installation: Installation) -> None:
    germane("run")
    installation.post(title="Breathing at night", external_id="night", topics=("lungs",))
    assert printed("explain", "bob@example.org", "night")["edition"] == "one that would open now"


def test_vectors_that_were_damaged_are_noticed(installation: Installation) -> None:
    germane("run")
    with installation.database.writing() as connection:
        connection.execute(update(editions.MODEL).values(model=b"something else"))
    result = germane("explain", "bob@example.org", "rehab")
    assert result.exit_code == 5
    assert "does not match its checksum" in result.stderr


@pytest.mark.parametrize(
    ("who", "item", "message"),
    [
        ("nobody@example.org", "rehab", "has no member 'nobody@example.org'; `germane members list`"),
        ("bob@example.org", "nothing", "has no item 'nothing'; `germane items list`"),
        ("", "", "has no member ''"),
    ],
)
def test_a_name_that_is_not_there_is_a_wrong_call(
    installation: Installation, who: str, item: str, message: str
) -> None:
    result = germane("explain", who, item)
    assert result.exit_code == 2
    assert message in result.stderr


def test_nothing_is_written(installation: Installation) -> None:
    rows = installation.fingerprint
    for who in MEMBERS:
        germane("explain", who, "esd")
    assert installation.fingerprint == rows
