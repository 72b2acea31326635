"""The alarm for what comes back: a mail server may take everything, and return it later because of policy or content."""

import logging
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from delivery.alarm import is_too_many
from jobs import routing
from jobs.services import route_of
from store import bounces, ledger, pacing

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from jobs.services import Services

log = logging.getLogger("germane.incoming")

WINDOW = timedelta(hours=24)
"""Bounces come within hours; what is older says nothing of now."""


def ring(services: "Services") -> list[str]:
    """Pause routes and destinations whose messages came back too often because of what we send; says what was paused.

    The limits are those of refusals (`sending.alarm_*`). A run that is under way goes on; the next one heeds the pause.
    """
    now = services.now()
    with services.database.writing() as connection:
        found = bounces.about_us(connection, now - WINDOW)
        told = _routes(services, connection, Counter(one.route for one in found))
        told += _destinations(services, connection, [one.address_key for one in found])
        if told:
            bounces.note_pause(connection, [one.event for one in found])
    for what in told:
        log.error("%s; `germane outbox resume` lets them go again", what)
    return told


def _routes(services: "Services", connection: "Connection", returned: Counter[str]) -> list[str]:
    sending, now, told = services.settings.sending, services.now(), []
    for name, smtp in routing.servers(services.settings).items():
        where = route_of(smtp).where
        tried = ledger.handed_over_since(connection, now - WINDOW, route=where) if returned[where] else 0
        if is_too_many(returned[where], tried, sending.alarm_least, sending.alarm_share):
            why = f"{returned[where]} of {tried} messages came back for reasons of policy or content"
            pacing.pause(connection, "route", name, why, now)
            told.append(f"the route {name} is paused: {why}")
    return told


def _destinations(services: "Services", connection: "Connection", addresses: list[str]) -> list[str]:
    sending, now, told = services.settings.sending, services.now(), []
    known = routing.destinations(services.settings)
    for name, number in Counter(map(known.of, addresses)).items():
        if number < sending.alarm_least:
            continue
        group = services.settings.destinations.get(name)
        tried = ledger.handed_over_since(connection, now - WINDOW, domains=group.domains if group else (name,))
        if is_too_many(number, tried, sending.alarm_least, sending.alarm_domain_share):
            why = f"{number} of {tried} messages came back for reasons of policy or content"
            pacing.pause(connection, "destination", name, why, now)
            told.append(f"messages to {name} are paused: {why}")
    return told
