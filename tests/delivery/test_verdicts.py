"""What each reply of a mail server leads to: tried again, lost to this member, or the address taken for dead."""

import pytest

from delivery.verdicts import OUR_FAULT, Verdict, verdict

RETRY, FAIL, DEAD = "retry", "fail", "fail and suppress"

REPLIES: list[tuple[int, str, str, str, str]] = [
    # for now, whatever the reason; 421 and policy ask the whole domain for less
    (421, "", "RCPT", RETRY, "system"), (421, "4.3.2", "dot", RETRY, "system"), (421, "4.7.0", "MAIL", RETRY, "policy"),
    (421, "4.7.28", "dot", RETRY, "policy"), (450, "", "RCPT", RETRY, "mailbox"), (450, "4.1.1", "RCPT", RETRY, "address"),
    (450, "4.2.0", "RCPT", RETRY, "mailbox"), (450, "4.2.1", "RCPT", RETRY, "mailbox"),
    (450, "4.2.2", "RCPT", RETRY, "mailbox"), (450, "4.7.1", "RCPT", RETRY, "policy"), (451, "", "RCPT", RETRY, "system"),
    (451, "4.3.0", "dot", RETRY, "system"), (451, "4.3.5", "RCPT", RETRY, "system"), (451, "4.4.1", "RCPT", RETRY, "network"),
    (451, "4.4.3", "RCPT", RETRY, "network"), (451, "4.7.1", "RCPT", RETRY, "policy"),
    (451, "4.7.500", "RCPT", RETRY, "policy"), (451, "4.7.650", "MAIL", RETRY, "policy"),
    (452, "", "RCPT", RETRY, "mailbox"), (452, "4.2.2", "RCPT", RETRY, "mailbox"), (452, "4.3.1", "MAIL", RETRY, "system"),
    (452, "4.5.3", "RCPT", RETRY, "protocol"), (454, "4.7.0", "MAIL", RETRY, "policy"), (455, "", "MAIL", RETRY, "protocol"),
    (432, "4.7.12", "MAIL", RETRY, "policy"), (499, "", "dot", RETRY, "unknown"),
    # the address is dead: only a status says so, and only about the recipient
    (550, "5.1.1", "RCPT", DEAD, "address"), (550, "5.1.1", "dot", DEAD, "address"), (550, "5.1.1", "DATA", DEAD, "address"),
    (550, "5.1.2", "RCPT", DEAD, "address"), (553, "5.1.3", "RCPT", DEAD, "address"), (501, "5.1.3", "RCPT", DEAD, "address"),
    (551, "5.1.6", "RCPT", DEAD, "address"), (556, "5.1.10", "RCPT", DEAD, "address"), (556, "", "RCPT", DEAD, "address"),
    (550, "5.1.1", "MAIL", FAIL, "sender"), (550, "", "RCPT", FAIL, "unknown"), (551, "", "RCPT", FAIL, "unknown"),
    (553, "", "RCPT", FAIL, "unknown"), (550, "5.0.0", "RCPT", FAIL, "unknown"), (550, "5.1.0", "RCPT", FAIL, "unknown"),
    # the mailbox is full, closed or will not take this message: the address lives
    (550, "5.2.0", "RCPT", FAIL, "mailbox"), (550, "5.2.1", "RCPT", FAIL, "mailbox"), (552, "5.2.2", "RCPT", FAIL, "mailbox"),
    (552, "5.2.2", "dot", FAIL, "mailbox"), (552, "", "RCPT", FAIL, "mailbox"), (552, "5.2.3", "dot", FAIL, "size"),
    (552, "5.3.4", "MAIL", FAIL, "size"), (552, "5.3.4", "dot", FAIL, "size"), (552, "", "MAIL", FAIL, "size"),
    (552, "", "dot", FAIL, "size"), (523, "", "MAIL", FAIL, "size"),
    # about us: the sender, what policy says of it, the content, our own mistakes
    (550, "5.1.7", "MAIL", FAIL, "sender"), (550, "5.1.8", "MAIL", FAIL, "sender"), (550, "5.7.1", "RCPT", FAIL, "policy"),
    (550, "5.7.1", "dot", FAIL, "policy"), (550, "5.7.23", "RCPT", FAIL, "policy"), (550, "5.7.26", "dot", FAIL, "policy"),
    (550, "5.7.509", "dot", FAIL, "policy"), (550, "5.7.515", "RCPT", FAIL, "policy"), (554, "5.7.1", "RCPT", FAIL, "policy"),
    (554, "", "RCPT", FAIL, "policy"), (554, "", "MAIL", FAIL, "policy"), (521, "", "RCPT", FAIL, "policy"),
    (530, "5.7.0", "MAIL", FAIL, "policy"), (535, "5.7.8", "MAIL", FAIL, "policy"), (554, "", "dot", FAIL, "content"),
    (554, "5.6.0", "dot", FAIL, "content"), (550, "5.6.7", "MAIL", FAIL, "content"), (500, "", "RCPT", FAIL, "protocol"),
    (501, "5.5.4", "RCPT", FAIL, "protocol"), (502, "", "DATA", FAIL, "protocol"), (503, "5.5.1", "RCPT", FAIL, "protocol"),
    (555, "5.5.4", "MAIL", FAIL, "protocol"),
    # about their systems and the way there
    (550, "5.3.0", "dot", FAIL, "system"), (550, "5.4.1", "RCPT", FAIL, "network"), (550, "5.4.4", "RCPT", FAIL, "network"),
    (554, "5.4.6", "dot", FAIL, "network"), (554, "5.3.2", "MAIL", FAIL, "system"),
    # a status of another class: the code decides whether it is for good, the status what it is about
    (450, "5.1.1", "RCPT", RETRY, "address"), (550, "4.2.2", "RCPT", FAIL, "mailbox"), (550, "2.1.5", "RCPT", FAIL, "unknown"),
]  # fmt: skip


def test_the_table_has_enough_replies_and_none_twice() -> None:
    assert len({reply[:3] for reply in REPLIES}) == len(REPLIES) >= 60


@pytest.mark.parametrize(("code", "status", "step", "outcome", "about"), REPLIES)
def test_what_a_reply_leads_to(code: int, status: str, step: str, outcome: str, about: str) -> None:
    found = verdict(code, status, step)
    assert (found.retry, found.fail, found.suppress) == (outcome == RETRY, outcome != RETRY, outcome == DEAD)
    assert found.about == about


@pytest.mark.parametrize(
    ("code", "status", "slower"),
    [(421, "", True), (421, "4.3.2", True), (450, "4.7.1", True), (451, "4.3.0", False), (452, "4.2.2", False),
     (550, "5.7.1", False)],
)  # fmt: skip
def test_only_421_and_temporary_policy_ask_a_domain_for_less(code: int, status: str, slower: bool) -> None:
    assert verdict(code, status).back_off == slower


def test_what_is_our_own_fault_never_makes_an_address_dead() -> None:
    for code, status, step, _, about in REPLIES:
        if about in OUR_FAULT:
            assert verdict(code, status, step).suppress is False
    assert Verdict("policy") == Verdict("policy", retry=False, fail=False, suppress=False)
