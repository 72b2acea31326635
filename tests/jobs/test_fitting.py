"""What an edition learns once for all: beside whom its items are seen, and how much their field counts."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from digest.calibration import DEFAULT
from digest.fitting import fit
from digest.vectors import Settings, VectorSpace
from jobs.fitting import edition_settings, fit_edition
from profiles.member import Profile
from store import considered, editions, feedback, items
from store.database import Database
from tests.builders import NOW
from tests.jobs.composing import BELLS, STROKE, Community

PAPERS = [f"{form} {about} {place}" for form in ("Notes on", "A survey of", "Training in", "Audit of")
          for about in ("stroke rehabilitation", "early discharge", "falls at home", "bell ringing", "choir singing")
          for place in ("in Leeds", "in Kent", "in York", "in Devon", "in Wales", "by the sea", "in towns", "in hospitals",
                        "in villages", "in care homes", "in the north", "in the south", "in winter", "in summer", "for all",
                        "for carers")]  # fmt: skip


@pytest.fixture
def community(database: Database) -> Community:
    found = Community(database)
    for n, title in enumerate(PAPERS):
        found.post(f"paper-{n}", kind="resource", title=title, body=f"{title}, described by its teams.", topics=())
    for n in range(6):
        found.join(f"stroke{n}", STROKE)
    found.join("bells", BELLS)
    found.join("nothing", Profile(stated=""))
    return found


def stored_space(community: Community) -> VectorSpace:
    with community.database.reading() as connection:
        (edition, *_) = editions.latest(connection, community.key, 1)
        model = editions.load_model(connection, edition.key)
    assert model is not None
    return VectorSpace.from_bytes(model)


def fitted_now(community: Community) -> VectorSpace:
    services = community.services()
    settings = edition_settings(services, community.network)
    return fit_edition(services, community.network, settings, [], services.now(), None).space


def learnt(community: Community) -> dict[str, Any]:
    with community.database.reading() as connection:
        return editions.latest(connection, community.key, 1)[0].settings


def test_items_are_seen_beside_the_members_and_one_figure_is_kept_of_each(community: Community) -> None:
    community.compose()
    shares = learnt(community)["shares"]
    with community.database.reading() as connection:
        titles = {str(item.key): item.title for item in items.load(connection, community.key, [int(k) for k in shares])}
    assert set(shares) == set(titles)
    assert all(0 < share < 1 for share in shares.values())
    near = [share for key, share in shares.items() if "stroke" in titles[key]]
    far = [share for key, share in shares.items() if "choir" in titles[key]]
    assert min(near) < 0.7
    assert min(far, default=1.0) > max(near)


def test_what_was_decided_is_seen_the_same_when_members_have_changed(community: Community) -> None:
    community.compose()
    with community.database.reading() as connection:
        edition = editions.latest(connection, community.key, 1)[0]
        keys, model = editions.item_keys(connection, edition.key), editions.load_model(connection, edition.key)
    services = community.services()
    assert model is not None
    model = VectorSpace.from_bytes(model).with_damping(1.0).to_bytes()
    before = fit_edition(services, community.network, edition.settings, keys, edition.as_of, model)
    for n in range(40):
        community.join(f"more{n}", BELLS)
    after = fit_edition(services, community.network, edition.settings, keys, edition.as_of, model)
    assert abs(before.rows - after.rows).max() == 0
    anew = fit_edition(services, community.network, edition_settings(services, community.network), keys, NOW, model)
    assert abs(before.rows - anew.rows).max() > 0.01


def test_a_crowd_is_of_members_from_the_whole_network(community: Community, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.fitting.fit", partial(fit, settings=Settings(crowd=10)))
    pages = []
    reading = considered.audience

    def watched(connection, network, after, limit, member_key=0):  # type: ignore[no-untyped-def]
        found = reading(connection, network, after, limit, member_key)
        pages.append([member.name for member in found])
        return found

    for n in range(42):
        community.join(f"late{n:02}", BELLS)
    monkeypatch.setattr("jobs.fitting.considered.audience", watched)
    fitted_now(community)
    assert [len(page) for page in pages] == [1] * 10
    assert len({name for page in pages for name in page}) == 10
    assert any(name.startswith("Late3") for page in pages for name in page)


def test_the_parts_of_a_score_are_kept_beside_it(community: Community) -> None:
    community.compose()
    with community.database.reading() as connection:
        table = editions.DIGEST_ITEM.c
        rows = connection.execute(editions.DIGEST_ITEM.select().where(table.score > 0)).all()
    assert len(rows) >= 7
    for row in rows:
        assert row.rest + row.field == pytest.approx(row.score, abs=1e-6), "a new network goes by the field as is usual"
    assert max(row.field for row in rows) > 0.01


def test_how_much_the_field_counts_is_learnt_from_what_members_found_good(community: Community) -> None:
    assert (fitted_now(community).field_weight, fitted_now(community).damping) == (1.0, 0.0)
    community.compose()
    with community.database.writing() as connection:
        table = editions.DIGEST_ITEM
        sent = connection.execute(table.select().order_by(table.c.member_id, table.c.rank)).all()
        rng = np.random.default_rng(0)
        for row in sent:
            of_field = float(rng.uniform(0, 0.1))
            parts = update(table).where(table.c.digest_id == row.digest_id, table.c.rank == row.rank)
            connection.execute(parts.values(rest=0.1, field=of_field, share=1.0))
            verdict = "more" if of_field > 0.05 else "less"
            feedback.record(connection, [feedback.Word(row.member_id, row.item_id, verdict, NOW, "import")])
    now = fitted_now(community)
    assert now.field_weight > 1.3
    assert 0 < now.damping < 0.5
    community.compose()
    stored = stored_space(community)
    assert (stored.field_weight, stored.damping) == (now.field_weight, now.damping)


def test_words_on_what_no_digest_had_brought_teach_the_first_edition_what_a_match_means(community: Community) -> None:
    services, settings = community.services(), edition_settings(community.services(), community.network)
    assert fit_edition(services, community.network, settings, [], services.now(), None).calibration == DEFAULT
    with community.database.writing() as connection:
        members = considered.audience(connection, community.key, 0, 100)
        papers = {item.title: item.key for item in items.background(connection, community.key, services.now(), 1000)}
        liked = [key for title, key in papers.items() if "stroke rehabilitation" in title][::4]
        for member in members[:6]:
            words = [feedback.Word(member.member_key, key, "more", NOW, "import") for key in liked]
            feedback.record(connection, words)
    community.compose()
    kept = learnt(community)
    assert tuple(kept["calibration"]) != DEFAULT.weights
    assert kept["earlier"] != 0
    again = fit_edition(services, community.network, kept, [], services.now(), None).calibration
    assert (list(again.weights), again.earlier) == (kept["calibration"], kept["earlier"])
