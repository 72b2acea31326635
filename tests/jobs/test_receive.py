import io
import os
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest

from jobs.receive import MAX_OCTETS, find_token, obey, read_all, read_message, why_ignored
from profiles.links import sign
from store import members
from tests.builders import NOW, stored_member, stored_network

KEY = b"a key that is at least thirty-two"
ADA = "abcdefghijklmnop"
TOKEN = sign(KEY, "leave", ADA)
LEAVE = f"leave+{TOKEN}@news.example.org"


def a_mail(**headers):
    """A mail to the leaving address; a header given as None is left out."""
    fields = {"From": "Ann <ann@example.org>", "To": LEAVE, "Subject": "unsubscribe"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return read_message(f"{text}\r\nPlease take me out.\r\n".encode())


@pytest.fixture
def member(sqlite_database):
    with sqlite_database.writing() as connection:
        key = stored_member(connection, stored_network(connection))
        return next(m for m in members.stream(connection, 1) if m.key == key)


def status(database, member):
    with database.reading() as connection:
        return members.find_by_public_id(connection, member.public_id).member.status


def test_a_mail_to_the_leaving_address_takes_its_member_out(sqlite_database, member):
    mail = a_mail(To=f"leave+{sign(KEY, 'leave', member.public_id)}@news.example.org")
    assert obey(mail, "", sqlite_database, KEY, NOW) == "left"
    assert status(sqlite_database, member) == "left"
    assert obey(mail, "", sqlite_database, KEY, NOW) == "had left before"


@pytest.mark.parametrize(
    "mail",
    [
        a_mail(),
        a_mail(To=f'"Leave" <{LEAVE.upper()}>'),
        a_mail(To="leave@news.example.org", Delivered_To=LEAVE),
        a_mail(To=None, X_Original_To=LEAVE),
        a_mail(To="leave@news.example.org", Cc=LEAVE),
        a_mail(To="leave@news.example.org", Subject=f"leave {TOKEN}"),
        a_mail(To="leave@news.example.org", Subject=f"Re: unsubscribe\r\n {TOKEN.upper()}"),
        a_mail(To=f"Someone Else <x@example.org>,\r\n\t<{LEAVE}>"),
        a_mail(Auto_Submitted="no"),
        a_mail(Auto_Submitted="auto-generated"),
    ],
)
def test_the_token_is_found_wherever_a_mail_program_puts_it(mail):
    assert why_ignored(mail) == ""
    assert find_token(mail, "", KEY) == ADA


def test_the_recipient_that_the_mail_server_names_wins():
    ben = "bbbbbbbbbbbbbbbb"
    assert find_token(a_mail(), f"leave+{sign(KEY, 'leave', ben)}@news.example.org", KEY) == ben
    assert find_token(a_mail(), "leave@news.example.org", KEY) == ADA


@pytest.mark.parametrize(
    "to",
    [
        f"leave+{TOKEN[:-1]}@news.example.org",
        f"leave+{TOKEN[:-1]}{'a' if TOKEN[-1] != 'a' else 'b'}@news.example.org",
        f"leave+{sign(KEY, 'preferences', ADA)}@news.example.org",
        f"leave+{sign(b'x' * 32, 'leave', ADA)}@news.example.org",
        f"leave+{ADA}@news.example.org",
        "leave+@news.example.org",
        "leave@news.example.org",
        "",
    ],
)
def test_without_a_valid_token_nobody_leaves(sqlite_database, member, to):
    assert find_token(a_mail(To=to), "", KEY) is None
    assert obey(a_mail(To=to), "", sqlite_database, KEY, NOW) == "ignored: no valid token to leave"
    assert status(sqlite_database, member) == "active"


@pytest.mark.parametrize(
    "header",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Auto-Submitted": "Auto-Replied (vacation)"},
        {"Auto-Submitted": "auto-notified; owner-email=x"},
        {"Precedence": "bulk"},
        {"Precedence": "Junk"},
        {"List-Id": "<other.example.org>"},
        {"List-Unsubscribe": "<https://example.org>"},
        {"X-Digest-Issue": "abc"},
        {"X-Autoreply": "yes"},
        {"Return-Path": "<>"},
        {"Content-Type": "multipart/report; report-type=delivery-status; boundary=x"},
        {"From": "MAILER-DAEMON@example.org"},
        {"From": "Mail System <postmaster@example.org>"},
        {"From": "owner-list@example.org"},
        {"From": "list-request@example.org"},
    ],
)
def test_what_a_robot_sends_takes_nobody_out(sqlite_database, member, header):
    mail = a_mail(To=f"leave+{sign(KEY, 'leave', member.public_id)}@x.example", **header)
    assert obey(mail, "", sqlite_database, KEY, NOW).startswith("ignored: ")
    assert status(sqlite_database, member) == "active"


def test_our_own_digest_sent_back_takes_nobody_out():
    digest = EmailMessage()
    digest["From"] = "digest@news.example.org"
    digest["To"] = LEAVE
    digest["List-Unsubscribe"] = f"<https://example.org/leave/{TOKEN}>, <mailto:{LEAVE}>"
    digest["Auto-Submitted"] = "auto-generated"
    assert why_ignored(read_message(bytes(digest))) == "mail of a list"


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b"\xff\xfe\x00", b"To", b": x\r\n", b"To: =?utf-8?q?=zz?=\r\n\r\n"])
def test_what_is_no_mail_is_ignored(sqlite_database, raw):
    assert obey(read_message(raw), "", sqlite_database, KEY, NOW).startswith("ignored: ")


def test_a_huge_mail_is_read_to_its_end_and_only_its_head_is_kept():
    stream = io.BytesIO(f"To: {LEAVE}\r\n\r\n".encode() + b"x" * (3 * MAX_OCTETS))
    assert find_token(read_message(read_all(stream)), "", KEY) == ADA
    assert stream.read() == b""


def run(tmp_path, stdin, *arguments, **environment):
    command = [sys.executable, "-c", "from jobs.cli import main; main()", "receive", *arguments]
    settings = {"GERMANE_DATABASE__URL": f"sqlite:///{tmp_path}/germane.db", "GERMANE_SECRET_KEY": KEY.decode()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GERMANE_")}
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        command, input=stdin, capture_output=True, cwd=tmp_path, env=clean | settings | path | environment, timeout=60
    )


def test_the_command_takes_the_envelope_from_the_mail_server_and_logs_one_line(tmp_path, sqlite_database, member):
    leave = f"leave+{sign(KEY, 'leave', member.public_id)}@news.example.org"
    done = run(tmp_path, b"From: ann@example.org\nSubject: stop\n\nbye\n", ORIGINAL_RECIPIENT=leave)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"receive: left\n")
    assert status(sqlite_database, member) == "left"
    ignored = run(tmp_path, b"From: ann@example.org\n\nhello\n", "--recipient", "leave@news.example.org")
    assert (ignored.returncode, ignored.stderr) == (0, b"receive: ignored: no valid token to leave\n")


@pytest.mark.parametrize("environment", [{"GERMANE_SECRET_KEY": ""}, {"GERMANE_DATABASE__URL": "sqlite:///none/x.db"}])
def test_a_mail_that_cannot_be_dealt_with_now_stays_with_the_mail_server(tmp_path, environment):
    done = run(tmp_path, b"To: x@example.org\n\n", **environment)
    assert done.returncode == 75
    assert done.stderr.startswith(b"receive: kept for later: ")
    assert b"Traceback" not in done.stderr
