"""A mail server that refuses, lies, dawdles, falls silent or hangs up, at each of its steps: nobody is lost or gets two."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.faults.limits import clock_off_by
from tests.faults.misbehaving import Fault
from tests.faults.town import CONNECTIONS, Town

STEPS = ("connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "message")
TIMES = 2
WAYS: dict[str, Callable[[str], Fault]] = {
    "refuses for now": lambda step: Fault(step, reply=b"451 4.3.0 not now", times=TIMES),
    "refuses for good": lambda step: Fault(step, reply=b"554 5.3.0 never", times=TIMES),
    "says 421 and hangs up": lambda step: Fault(step, reply=b"421 4.3.2 bye", drop=True, times=TIMES),
    "answers with garbage": lambda step: Fault(step, reply=b"hello, this is no mail server", times=TIMES),
    "answers octet by octet": lambda step: Fault(step, drip_s=0.01, times=TIMES),
    "hangs up": lambda step: Fault(step, drop=True, times=TIMES),
    "says nothing": lambda step: Fault(step, hang=True, times=TIMES),
}
WITHOUT_A_REPLY = ("answers with garbage", "hangs up", "says nothing")
WITH_AUTH = {"SMTP__USERNAME": "ann", "SMTP__PASSWORD": "secret"}
LITTLE_PATIENCE = dict.fromkeys(("SMTP__CONNECT_TIMEOUT_S", "SMTP__TIMEOUT_S", "SMTP__FINAL_DOT_TIMEOUT_S"), 3)
"""Enough for a machine that is busy with other tests."""


@pytest.mark.fault("mail server {way}", "at {step}")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", WAYS)
def test_f09_a_server_that_fails_at_one_step_loses_nobody_and_gets_nothing_twice(
    hamlet: Town, way: str, step: str
) -> None:
    hamlet.server.offered += ("AUTH PLAIN",)
    hamlet.settings = WITH_AUTH | (LITTLE_PATIENCE if way == "says nothing" else {})
    hamlet.server.faults = [WAYS[way](step)]
    hamlet.finish()
    hamlet.until_finished(before=partial(clock_off_by, 2))  # a server that said 421 is left alone for a while
    assert hamlet.server.misbehaved
    refused, in_doubt = hamlet.addresses("refused"), hamlet.addresses("uncertain")
    assert hamlet.violations(refused=sorted(refused)) == []
    assert len(refused) <= (TIMES if way == "refuses for good" and step in {"MAIL", "RCPT", "DATA", "message"} else 0)
    assert len(in_doubt) <= (TIMES if way in WITHOUT_A_REPLY and step == "message" else 0)


@pytest.mark.fault("mail server hangs up", "after the dot, the message {taken}")
@pytest.mark.parametrize("taken", ["taken", "not taken"])
def test_f02_a_connection_cut_after_the_dot_is_in_doubt_and_never_sent_again(hamlet: Town, taken: str) -> None:
    hamlet.server.faults = [Fault("message", drop=True, take=taken == "taken", times=TIMES)]
    hamlet.until_finished()
    assert hamlet.violations() == []
    assert len(hamlet.addresses("uncertain")) == TIMES
    assert len(hamlet.server.accepted) == len(hamlet.due) - (0 if taken == "taken" else TIMES)


@pytest.mark.fault("mail server is away", "when sending starts")
def test_f11_a_server_that_cannot_be_reached_keeps_every_message_and_suppresses_nobody(hamlet: Town) -> None:
    code, said = hamlet.finish(SMTP__PORT=9)
    assert (code, "cannot be reached" in said) == (6, True)
    assert hamlet.counts().queued == len(hamlet.due)
    hamlet.until_finished()
    assert hamlet.violations() == []


@pytest.mark.fault("mail server hangs up", "after every dot, for ever")
def test_f02_a_server_that_dies_with_each_message_does_not_turn_the_whole_outbox_doubtful(village: Town) -> None:
    village.server.faults = [Fault("message", drop=True)]
    village.finish()
    assert len(village.addresses("uncertain")) <= 10 + CONNECTIONS
    village.server.faults = []
    village.until_finished()
    assert village.violations() == []
