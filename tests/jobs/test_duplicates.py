from datetime import timedelta
from typing import Any

from sqlalchemy import select

from store import editions
from tests.builders import NOW
from tests.jobs.installation import Installation, germane, printed

ESD = "Early supported discharge teams"
BODY = "How do stroke teams set up early supported discharge at home?"
LINK = "https://example.org/esd"


def left_out(installation: Installation) -> list[str]:
    with installation.database.reading() as connection:
        return list(connection.execute(select(editions.LEFT_OUT.c.reason)).scalars())


def post(installation: Installation, name: str, **changes: Any) -> None:
    installation.post(**{"title": "Discharge after stroke", "url": LINK, "topics": (), "external_id": name} | changes)


def test_of_the_same_thing_posted_twice_a_member_gets_one(installation: Installation) -> None:
    installation.post(title=f"{ESD}!", body=BODY.replace("do", "should"), external_id="again", kind="resource")
    reached = [n for _, title, n in printed("run")[0]["reach"] if title.startswith(ESD)]
    assert sorted(reached) == [0, 1]
    assert left_out(installation) == ["duplicate"]
    outcomes = {item: printed("explain", "ann@example.org", item)["outcome"] for item in ("esd", "again")}
    best = next(name for name, outcome in outcomes.items() if outcome.startswith("in the digest"))
    (other,) = outcomes.keys() - {best}
    assert outcomes[other].startswith(f"left out: duplicate of “{ESD}")


def test_what_was_sent_is_not_sent_again_under_another_name(installation: Installation) -> None:
    post(installation, "first")
    germane("run")
    post(installation, "later", url=LINK + "/?utm_source=list", body="Come and see.", published_at=NOW)
    installation.post(
        title="Stroke at home", external_id="other", body="About stroke.", topics=("stroke",), published_at=NOW
    )
    installation.now += timedelta(days=7)
    assert "Discharge after stroke" not in germane("preview", "ann@example.org").stdout
    germane("run")
    assert printed("explain", "ann@example.org", "other")["outcome"] == "in the digest, at place 1"
    told = printed("explain", "ann@example.org", "later")["outcome"]
    assert told == "left out: already sent as “Discharge after stroke”"


def test_somebody_new_gets_the_later_copy(installation: Installation) -> None:
    post(installation, "first", state="closed", published_at=NOW - timedelta(days=9))
    post(installation, "later", url=LINK + "#now")
    germane("run")
    assert printed("explain", "ann@example.org", "later")["outcome"].startswith("in the digest")
