from pathlib import Path
from typing import Any

import pytest

from digest.items import Topic
from sources.decoding import SourceError
from sources.feeds import FEED_ENTRIES, FEED_OCTETS, Feed
from sources.topics import names

TOPICS = names([Topic("stroke", "Stroke", synonyms=("brain attack",)), Topic("copd", "COPD")])

RSS = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>Trial &amp;amp; Error</title><link>https://news.example.org/</link>
<item><title>A &lt;b&gt;call&lt;/b&gt; &amp;amp; more</title><link>/posts/a b</link><guid isPermaLink="false">123</guid>
<description>&lt;p&gt;In short&lt;/p&gt;</description>
<content:encoded><![CDATA[<h2>Long</h2><p onclick="x">Text with <a href="/more">a link</a></p>
<script>alert(1)</script>]]></content:encoded>
<category>Brain attack</category><category>Cooking</category><category>COPD</category>
<pubDate>Mon, 16 Nov 2026 08:30:00 +0100</pubDate><author>ann@example.org (Ann Example)</author></item>
<item><title>No id</title><link>javascript:alert(1)</link><dc:date>nonsense</dc:date></item>
</channel></rss>"""

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Evidence</title><link href="https://evidence.example.org/"/>
<entry><id>tag:evidence.example.org,2026:1</id><title type="html">Strôc &lt;i&gt;a&lt;/i&gt;</title>
<link rel="alternate" href="https://evidence.example.org/1"/><updated>2026-11-16T07:30:00Z</updated>
<category term="stroke-x" label="Stroke"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>A <b>b</b></p></div></content>
</entry></feed>"""


def read(tmp_path: Path, content: str | bytes, **options: Any) -> list[dict[str, object]]:
    file = tmp_path / "feed.xml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with Feed(file, TOPICS, **options) as feed:
        return [dict(record.fields) for record in feed]


def test_an_rss_entry_becomes_the_keys_of_an_item(tmp_path: Path) -> None:
    assert read(tmp_path, RSS)[0] == {
        "title": "A call & more",
        "url": "https://news.example.org/posts/a%20b",
        "poster": "Ann Example",
        "published_at": "2026-11-16T07:30:00+00:00",
        "external_id": "https://news.example.org/#123",
        "topics": ["stroke", "copd"],
        "body": "## Long\n\nText with [a link](https://news.example.org/more)",
        "summary": "In short",
    }


def test_what_an_entry_does_not_have_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path, RSS)[1] == {
        "title": "No id",
        "url": "",
        "poster": "Trial & Error",
        "published_at": "",
        "external_id": "",
        "topics": [],
        "body": "",
        "summary": "",
    }


def test_an_atom_entry_becomes_the_keys_of_an_item(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, ATOM)
    assert entry == {
        "title": "Strôc a",
        "url": "https://evidence.example.org/1",
        "poster": "Evidence",
        "published_at": "2026-11-16T07:30:00+00:00",
        "external_id": "tag:evidence.example.org,2026:1",
        "topics": ["stroke"],
        "body": "A **b**",
        "summary": "",
    }


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "cp1252"])
def test_a_feed_in_another_encoding_than_it_says_is_read(tmp_path: Path, codec: str) -> None:
    feed = "<rss version='2.0'><channel><item><title>Strôc – “x”</title></item></channel></rss>"
    file = tmp_path / "feed.xml"
    file.write_bytes(feed.encode(codec))
    with Feed(file, TOPICS) as found:
        assert [record.fields["title"] for record in found] == ["Strôc – “x”"]
        assert found.warning == ""


def test_the_encoding_of_the_answer_counts(tmp_path: Path) -> None:
    feed = "<rss version='2.0'><channel><item><title>Ŵyr</title></item></channel></rss>".encode("iso-8859-14")
    assert read(tmp_path, feed, content_type="application/rss+xml; charset=iso-8859-14")[0]["title"] == "Ŵyr"


def test_entities_that_multiply_are_not_expanded(tmp_path: Path) -> None:
    lines = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    bomb = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{lines}]><rss version="2.0"><channel><title>x</title>'
        "<item><title>t</title><description>&l9;</description></item></channel></rss>"
    )
    (entry,) = read(tmp_path, bomb)
    assert len(str(entry)) < 1000


def test_a_file_of_this_machine_never_gets_into_a_feed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    feed = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]><rss version="2.0"><channel>'
        "<item><title>a &e; b</title><description>&e;</description></item></channel></rss>"
    )
    assert "secret" not in str(read(tmp_path, feed))


def test_a_broken_feed_gives_what_can_be_read_and_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text(RSS[: RSS.index("<item><title>No id")])
    with Feed(file, TOPICS) as feed:
        assert [record.fields["title"] for record in feed] == ["A call & more"]
        assert "not well-formed" in feed.warning
        assert feed.octets_read == feed.octets


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no RSS or Atom feed"),
        ("just text", "no RSS or Atom feed"),
        ("<html><head><link rel='alternate' type='application/rss+xml' href='/feed'></head>", "names this one: /feed"),
        ("<rss version='2.0'><channel>" + "<item/>" * (FEED_ENTRIES + 1), "more than 20,000 entries"),
        ("x" * (FEED_OCTETS + 1), "more than 20,000,000 octets"),
    ],
)
def test_what_is_no_feed_says_so(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        read(tmp_path, content)


def test_a_missing_feed_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.xml: cannot be read"):
        Feed(tmp_path / "none.xml", TOPICS)


def test_an_entry_with_too_much_html_is_a_problem_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    long = "<item><title>long</title><description>&lt;p&gt;" + "x" * 400_001 + "</description></item>"
    file.write_text(RSS.replace("<item>", long + "<item>", 1))
    with Feed(file, TOPICS) as feed:
        first, second, _ = feed
    assert "characters of html" in first.problem
    assert second.problem == ""
