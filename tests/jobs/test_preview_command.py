from email import message_from_bytes, policy
from html.parser import HTMLParser

import pytest

from profiles.member import Profile
from store import members
from tests.jobs.installation import Installation, germane


class Text(HTMLParser):
    """The words of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_it_shows_the_mail_as_plain_text_under_its_subject(installation: Installation) -> None:
    result = germane("preview", "bob@example.org")
    assert result.exit_code == 0
    first, _, rest = result.stdout.partition("\n")
    assert first.startswith("Subject: ")
    assert "Pulmonary rehabilitation by video" in rest


def test_it_shows_the_html_that_the_mail_has(installation: Installation) -> None:
    page = germane("preview", "bob@example.org", "--format", "html").stdout
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "Pulmonary rehabilitation by video" in " ".join(Text(page).words.split())


def test_the_eml_is_the_message_that_would_go_out(installation: Installation) -> None:
    raw = germane("preview", "bob@example.org", "--format", "eml").stdout_bytes
    message = message_from_bytes(raw, policy=policy.default)
    assert not message.defects
    assert message["To"].addresses[0].addr_spec == "bob@example.org"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    germane("run")
    (sent,) = [one for one in installation.server.accepted if one.recipients == ("bob@example.org",)]
    text = message_from_bytes(sent.content, policy=policy.default)
    assert text["Subject"] == message["Subject"]
    assert text.get_body(("plain",)).get_content() == message.get_body(("plain",)).get_content()  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["text", "html", "eml"])
def test_nothing_is_written_or_sent(installation: Installation, form: str) -> None:
    rows = installation.fingerprint
    germane("preview", "bob@example.org", "--format", form)
    assert (installation.fingerprint, installation.mailed) == (rows, [])


def test_a_member_may_be_named_by_address_in_any_case_or_by_public_id(installation: Installation) -> None:
    shown = germane("preview", "bob@example.org").stdout
    with installation.database.reading() as connection:
        bob = members.find(connection, installation.network_key, "bob@example.org")
    assert bob
    assert germane("preview", "Bob@EXAMPLE.org").stdout == shown
    assert germane("preview", bob.public_id).stdout == shown


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("carol@example.org", "nothing fits well enough"),
        ("dora@example.org", "no stated interest and no chosen topic"),
        ("gone@example.org", "left meanwhile"),
        ("idle@example.org", "paused by the member"),
    ],
)
def test_who_gets_nothing_is_told_why(installation: Installation, who: str, why: str) -> None:
    installation.join("gone@example.org", Profile(chosen=("lungs",)), status="left")
    installation.join("idle@example.org", Profile(chosen=("lungs",)), status="paused")
    result = germane("preview", who)
    assert (result.exit_code, result.stdout) == (0, f"no digest: {why}\n")


def test_what_was_sent_is_not_previewed_again(installation: Installation) -> None:
    germane("run")
    assert germane("preview", "bob@example.org").stdout.startswith("no digest: what fits is muted")


@pytest.mark.parametrize("who", ["nobody@example.org", "", "not an address", "\x1b[31mred\x1b[0m", "a" * 4000])
def test_somebody_unknown_is_a_wrong_call(installation: Installation, who: str) -> None:
    result = germane("preview", who)
    assert result.exit_code == 2
    assert "breathe-well has no member" in result.stderr
    assert "germane members list" in result.stderr
    assert "\x1b" not in result.stderr


def test_without_a_secret_key_there_are_no_links_to_show(installation: Installation) -> None:
    installation.unset("SECRET_KEY")
    result = germane("preview", "bob@example.org")
    assert result.exit_code == 3
    assert "GERMANE_SECRET_KEY" in result.stderr
