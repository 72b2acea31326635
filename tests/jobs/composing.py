"""A network whose editions are composed without a mail server, to look at what was decided."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select

from jobs.run import RunReport, run_edition
from jobs.services import Services
from profiles.member import Profile
from store import editions, items, networks, tables
from store.database import Database
from tests.builders import NOW, a_member, some_services, stored_item, stored_member, stored_network, stored_topic

STROKE = Profile(stated="early supported discharge after stroke, rehabilitation at home", languages=("en",))
BELLS = Profile(stated="bell ringing in country churches", languages=("en",))
ASK = {
    "title": "Early supported discharge teams",
    "body": "How do stroke teams set up early supported discharge and rehabilitation at home?",
    "topics": ("stroke",),
}


@dataclass
class Community:
    """One network with a threshold that whatever fits at all passes, unless it is given another."""

    database: Database
    slug: str = "breathe-well"
    threshold: float = 1.0

    def __post_init__(self) -> None:
        self.week = 0
        with self.database.writing() as connection:
            self.key = stored_network(connection, slug=self.slug, name=self.slug.title(), threshold=self.threshold)
            stored_topic(connection, self.key)

    @property
    def network(self) -> networks.Network:
        with self.database.reading() as connection:
            return networks.by_key(connection, self.key)

    def join(self, name: str, profile: Profile = STROKE, **preferences: Any) -> int:
        from profiles.member import Preferences

        member = a_member(
            address=f"{name}@example.org", name=name.title(), profile=profile, preferences=Preferences(**preferences)
        )
        with self.database.writing() as connection:
            return stored_member(connection, self.key, member)

    def post(self, name: str, **changes: Any) -> int:
        values = {"kind": "request", "external_id": name, **ASK, "title": f"{ASK['title']} {name}"} | changes
        with self.database.writing() as connection:
            return stored_item(connection, self.key, **values)

    def services(self, **sections: dict[str, Any]) -> Services:
        return some_services(self.database, now=NOW + timedelta(weeks=self.week), **sections)

    def compose(self, **sections: dict[str, Any]) -> RunReport:
        """This week's edition; the next one is a week later."""
        services = self.services(**sections)
        report = run_edition(services, self.network, at=services.now(), send=False)
        self.week += 1
        return report

    def got(self, slot: str = "") -> dict[str, list[str]]:
        """By the member's name the external ids of the items chosen for them, best first, with their note after a colon."""
        chosen, item, digest = editions.DIGEST_ITEM, items.TABLE, editions.DIGEST
        query = (
            select(editions.MEMBER.c.name, item.c.external_id, chosen.c.note)
            .join_from(chosen, item, item.c.id == chosen.c.item_id)
            .join(digest, digest.c.id == chosen.c.digest_id)
            .join(editions.MEMBER, editions.MEMBER.c.id == digest.c.member_id)
            .join(editions.EDITION, editions.EDITION.c.id == digest.c.edition_id)
            .where(editions.EDITION.c.network_id == self.key)
            .order_by(chosen.c.digest_id, chosen.c.rank)
        )
        query = query.where(editions.EDITION.c.slot == slot) if slot else query
        found: dict[str, list[str]] = {}
        with self.database.reading() as connection:
            for name, external_id, note in connection.execute(query):
                found.setdefault(name, []).append(f"{external_id}:{note}" if note else external_id)
        return found

    def left(self, week: int) -> dict[tuple[str, str], str]:
        """Why each item was left out, by the member's name and the item's external id, in the edition of that week from 0."""
        out, item, digest = editions.LEFT_OUT, items.TABLE, editions.DIGEST
        query = (
            select(editions.MEMBER.c.name, item.c.external_id, out.c.reason)
            .join_from(out, item, item.c.id == out.c.item_id)
            .join(digest, digest.c.id == out.c.digest_id)
            .join(editions.MEMBER, editions.MEMBER.c.id == digest.c.member_id)
            .join(editions.EDITION, editions.EDITION.c.id == digest.c.edition_id)
            .where(editions.EDITION.c.network_id == self.key, editions.EDITION.c.as_of == NOW + timedelta(weeks=week))
        )
        with self.database.reading() as connection:
            return {(name, external_id): reason for name, external_id, reason in connection.execute(query)}

    def said(self, member: int, item: int, verdict: str = "can_help") -> None:
        row = {"member_id": member, "item_id": item, "verdict": verdict, "at": NOW, "source": "test", "ended": ""}
        with self.database.writing() as connection:
            connection.execute(insert(tables.Feedback.__table__).values(**row))  # type: ignore[attr-defined]
