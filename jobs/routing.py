"""The ways out and how fast they go, wired from the settings and from what the database has learned."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from delivery.pacing import Destinations, Easing, Learned, Limits, Pacer
from delivery.pool import SmtpPool
from delivery.routes import Way, Ways
from delivery.smtp import is_on_this_machine
from delivery.traffic import Traffic
from jobs.services import route_of
from store.pacing import Pace, Scope

if TYPE_CHECKING:
    from jobs.settings import Settings, SmtpSettings

MAIN = "smtp"
"""The name of the route that the section [smtp] describes."""

Paces = Mapping[tuple[str, str], Pace]


def servers(settings: "Settings") -> "dict[str, SmtpSettings]":
    """The mail servers by the names of their routes."""
    return {MAIN: settings.smtp, **settings.routes}


def ways(settings: "Settings", paces: Paces) -> Ways:
    return Ways([_way(name, smtp, settings, paces) for name, smtp in servers(settings).items()])


def _way(name: str, smtp: "SmtpSettings", settings: "Settings", paces: Paces) -> Way:
    route = route_of(smtp)
    start = 0.0 if is_on_this_machine(smtp.host) else smtp.slow_start_per_s
    easing = replace(_easing(settings), slow_start_per_s=start, doubles_after=smtp.slow_start_doubles_after)
    limits = Limits(smtp.rate_per_s, smtp.rate_per_window, smtp.window_s)
    # The pool leaves the pace to the way, and has connections to spare for domains that answer slowly.
    pool = SmtpPool(replace(route, rate_per_s=0.0, connections=smtp.connections + smtp.slow_connections))
    return Way(name, pool, Pacer(name, limits, easing, _learned(settings, paces, "route", name)), smtp.weight)


def destinations(settings: "Settings") -> Destinations:
    sending = settings.sending
    others = Limits(
        sending.domain_rate_per_s, sending.domain_rate_per_window, sending.domain_window_s, sending.domain_connections
    )
    groups = {
        name: (one.domains, Limits(one.rate_per_s, one.rate_per_window, one.window_s, one.connections))
        for name, one in settings.destinations.items()
    }
    return Destinations(groups, others)


def traffic(settings: "Settings", known: Destinations, paces: Paces) -> Traffic:  # type: ignore[type-arg]
    """A queue for what `destinations` names, with as many ways as all routes have connections."""

    def pacer_of(name: str) -> Pacer:
        return Pacer(name, known.limits(name), _easing(settings), _learned(settings, paces, "destination", name))

    every = servers(settings).values()
    most, slow = sum(smtp.connections for smtp in every), sum(smtp.slow_connections for smtp in every)
    return Traffic(pacer_of, most, slow, settings.sending.slow_after_s)


def pace_of(settings: "Settings", scope: Scope, pacer: Pacer) -> Pace:
    """What is worth keeping of a pacer: a level is that of all processes together."""
    learned = pacer.learned
    level_per_s = learned.level_per_s * settings.sending.processes
    return Pace(
        scope, pacer.name, level_per_s, learned.accepted, learned.strikes, learned.resting_until, learned.paused
    )


def _easing(settings: "Settings") -> Easing:
    return Easing(back_off_s=settings.sending.back_off_s, back_off_most_s=settings.sending.back_off_most_s)


def _learned(settings: "Settings", paces: Paces, scope: Scope, name: str) -> Learned:
    pace = paces.get((scope, name))
    if pace is None:
        return Learned()
    level_per_s = pace.level_per_s / settings.sending.processes
    return Learned(level_per_s, pace.accepted, pace.strikes, pace.resting_until, pace.paused)
