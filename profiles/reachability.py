"""Whether an address still takes mail, for somebody who writes once a week: failures in a row, not scores in a time window.

A score that decays forgets a weekly sender's last failure before the next mail goes out, or never forgets it. So what counts
is that every mail since the first failure failed. Held addresses are probed, and what passes is open again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

Fault = Literal["hard", "soft", "unknown"]
State = Literal["open", "held", "probed", "removed"]
Action = Literal["none", "hold", "probe", "open", "remove"]

STATES: tuple[State, ...] = ("open", "held", "probed", "removed")


@dataclass(frozen=True, slots=True)
class Rule:
    """When failures have consequences; the numbers of failures are reached, not passed."""

    hard_in_a_row: int = 2
    failures_in_a_row: int = 5
    probe_after: timedelta = timedelta(days=7)
    probe_wait: timedelta = timedelta(days=7)
    most_probes: int = 3


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of one address. `failures` and `hard` count mails in a row; `due_at` is when a held address is next
    looked at."""

    state: State = "open"
    failures: int = 0
    hard: int = 0
    first_failed_at: datetime | None = None
    last_failed_at: datetime | None = None
    last_ok_at: datetime | None = None
    probes: int = 0
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What an address is from now on, what to do about it, and why in words for the operator."""

    reach: Reach
    action: Action
    reason: str


def failed(
    reach: Reach, fault: Fault, at: datetime, rule: Rule, *, passed_between: bool = False, probe: bool = False
) -> Decision:
    """A mail to the address came back, or was refused because of the address or its mailbox.

    `passed_between`: another mail got through since the last failure. `probe`: it was the probe that failed. Refusals because
    of policy, content or the sender must not be given here: they say nothing about an address.
    """
    if reach.state == "removed":
        return Decision(reach, "none", "removed before")
    if probe and reach.state == "probed":
        return _probe_failed(reach, fault, at, rule)
    before = Reach(state=reach.state, last_ok_at=reach.last_ok_at, probes=reach.probes, due_at=reach.due_at)
    counted = replace(
        reach if reach.failures and not passed_between else before,
        failures=1 if passed_between else reach.failures + 1,
        hard=0 if fault != "hard" else 1 if passed_between else reach.hard + 1,
        first_failed_at=at if passed_between or not reach.failures else reach.first_failed_at,
        last_failed_at=at,
    )
    if reach.state != "open":
        return Decision(counted, "none", f"{fault}, and the address is held already")
    if counted.hard >= rule.hard_in_a_row:
        return _hold(counted, at, rule, f"dead {counted.hard} times in a row")
    if counted.failures >= rule.failures_in_a_row:
        return _hold(counted, at, rule, f"{counted.failures} failures in a row")
    return Decision(counted, "none", f"{fault}; {counted.failures} in a row, {counted.hard} of them for a dead address")


def waited(reach: Reach, now: datetime, rule: Rule) -> Decision:
    """A held address whose time has come is probed; one whose probe did not come back in time is open again."""
    if reach.due_at is None or now < reach.due_at:
        return Decision(reach, "none", "not due yet")
    if reach.state == "held":
        probed = replace(reach, state="probed", probes=reach.probes + 1, due_at=now + rule.probe_wait)
        return Decision(probed, "probe", f"probe {probed.probes} of at most {rule.most_probes}")
    if reach.state == "probed":
        return Decision(Reach(last_ok_at=now), "open", "the probe did not come back")
    return Decision(reach, "none", "nothing to wait for")


def _hold(reach: Reach, at: datetime, rule: Rule, reason: str) -> Decision:
    return Decision(replace(reach, state="held", probes=0, due_at=at + rule.probe_after), "hold", reason)


def _probe_failed(reach: Reach, fault: Fault, at: datetime, rule: Rule) -> Decision:
    counted = replace(reach, failures=reach.failures + 1, last_failed_at=at)
    if fault == "hard":
        return Decision(replace(counted, state="removed", due_at=None), "remove", "the probe found the address dead")
    if reach.probes >= rule.most_probes:
        return Decision(replace(counted, state="removed", due_at=None), "remove", f"{reach.probes} probes came back")
    held = replace(counted, state="held", due_at=at + rule.probe_after)
    return Decision(held, "none", f"probe {reach.probes} came back; the next one follows")
