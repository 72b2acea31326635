import re
from pathlib import Path

import pytest

from digest.items import Item
from digest.message import Entry
from jobs.gallery import Delivered, Facts, Skipped, write_gallery
from tests.digest.mails import DATE, a_recipient, the_press

ANN = Facts("Ann <Example>", "Nurse", "home oxygen & sleep", (("Region", "Wales"), ("Setting", "")))


def a_mail(title: str = "Discharge letters") -> bytes:
    entries = [Entry(Item(title, "request", "Some text.", public_id="item000000000001"), 60.0, (("oxygen", "stated"),))]
    return the_press().message(a_recipient(), entries, "<a.b@example.org>", DATE)


def test_each_mail_has_a_page_and_the_index_leads_there(tmp_path: Path) -> None:
    index = write_gallery(tmp_path, [Delivered(a_mail(f"Title {n}"), ANN) for n in range(3)], title="Week 47")
    assert index == tmp_path / "index.html"
    links = re.findall(r'<h3><a href="([^"]+)">([^<]+)</a>', index.read_text())
    assert [subject for _, subject in links] == ["Request: Title 0", "Request: Title 1", "Request: Title 2"]
    for link, subject in links:
        page = (tmp_path / link).read_text()
        assert f"<h1>{subject}</h1>" in page
        assert "Why you get this: you said oxygen" in page
        assert "List-Unsubscribe: &lt;https://germane.example.org/leave/" in page
        for frame in re.findall(r'src="([^"]+)"', page):
            assert subject in (tmp_path / link).with_name(frame).read_text()


def test_a_mail_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "one.eml"
    file.write_bytes(b"X-Envelope-To: ann@example.org\r\n" + a_mail())
    assert "Request: Discharge letters" in write_gallery(tmp_path / "gallery", [Delivered(file, ANN)]).read_text()


def test_members_are_shown_as_plain_words(tmp_path: Path) -> None:
    write_gallery(tmp_path, [Delivered(a_mail("<b>x</b> <script>"), ANN)])
    for page in tmp_path.glob("**/*.html"):
        text = page.read_text()
        assert "<script" not in text
        assert "<Example>" not in text
    page = (tmp_path / "pages" / "0001.html").read_text()
    assert "home oxygen &amp; sleep" in page
    assert "<dt>Region</dt><dd>Wales</dd>" in page
    assert "Setting" not in page


def test_who_got_nothing_stands_under_the_reason(tmp_path: Path) -> None:
    skipped = [
        Skipped(Facts("Bo"), "paused"),
        Skipped(Facts("Cy"), "nothing fits"),
        Skipped(Facts("Di"), "nothing fits"),
    ]
    index = write_gallery(tmp_path, [], skipped, [("Members", "3")]).read_text()
    assert re.findall(r"<summary>(.*?)</summary>", index) == ["nothing fits: 2", "paused: 1"]
    assert all(f"<li>{name}</li>" in index for name in ("Bo", "Cy", "Di"))
    assert '<th scope="row">Members</th><td>3</td>' in index


def test_pages_of_an_earlier_gallery_are_gone(tmp_path: Path) -> None:
    write_gallery(tmp_path, [Delivered(a_mail(), ANN)] * 3)
    write_gallery(tmp_path, [Delivered(a_mail(), ANN)])
    assert sorted(file.name for file in (tmp_path / "pages").iterdir()) == ["0001.html", "0001.mail.html"]


@pytest.mark.parametrize("octets", [b"", b"Subject: only a header\r\n\r\n", b"\xff\xfe\x00"])
def test_a_message_that_is_none_is_still_shown(tmp_path: Path, octets: bytes) -> None:
    assert "0001.html" in write_gallery(tmp_path, [Delivered(octets, ANN)]).read_text()
