from pathlib import Path

import pytest

from sources.decoding import SourceError
from sources.item_files import FORMATS, format_of, open_items
from sources.items import Record

RSS = "<rss version='2.0'><channel><item><title>a</title></item></channel></rss>"


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("title\nx\n", "x.txt", "csv"),
        ("title\nx\n", "x.jsonl", "jsonl"),
        ('{"title": "x"}', "x.csv", "jsonl"),
        ('\n  {"title": "x"}', "x", "jsonl"),
        ("[", "x", "jsonl"),
        (RSS, "x.csv", "feed"),
        ("\n<?xml?>" + RSS, "x", "feed"),
        ("", "x.atom", "feed"),
        ("", "x", "csv"),
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_format_is_found_by_content_then_by_name(
    tmp_path: Path, content: str, name: str, expected: str, codec: str
) -> None:
    file = tmp_path / "source"
    file.write_bytes(content.encode(codec))
    assert format_of(file, name) == expected


def test_every_format_reads_records_and_keeps_rejects_that_it_reads_again(tmp_path: Path) -> None:
    contents = {"csv": "Title;url\na;\nb;x\n", "jsonl": '{"title": "a"}\n{"title": "b"}\n', "feed": RSS}
    for name in FORMATS:
        file = tmp_path / f"{name}.txt"
        file.write_text(contents[name])
        with open_items(file, name, topics={}) as source, source.rejects(file) as rejects:
            found = list(source)
            assert source.octets_read == source.octets == file.stat().st_size
            rejects.add(found[0], "=because")
        assert rejects.count == 1
        with open_items(rejects.path, format_of(rejects.path, rejects.path.name), topics={}) as again:
            (record,) = again
        assert record.fields.get("title", record.fields.get("Title")) == "a"
        assert record.fields["germane_reason"] == "=because"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("titel,url", "'titel': not a known key; did you mean 'title'?"),
        ("url,kind", "there is neither a title nor a body column"),
        ("title,link,url", "more than one column gives the url"),
    ],
)
def test_a_header_that_would_lose_something_stops_the_import(tmp_path: Path, header: str, reason: str) -> None:
    file = tmp_path / "items.csv"
    file.write_text(header + "\nx,y,z\n")
    with pytest.raises(SourceError) as caught:
        open_items(file, "csv", topics={})
    assert reason in str(caught.value)


def test_unknown_columns_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("title,round\nx,3\n")
    with open_items(file, "csv", topics={}, ignore_unknown=True) as source:
        assert list(source) == [Record(2, {"title": "x", "round": "3"})]


def test_a_row_of_the_wrong_width_or_encoding_is_a_problem_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_bytes("title,url\nâêîôû,\na\nb,c,d\n".encode() + b'\xff,\n"two\nlines",\n')
    with open_items(file, "csv", topics={}) as source:
        found = list(source)
    assert [(record.line, bool(record.problem)) for record in found] == [
        (2, False),
        (3, True),
        (4, True),
        (5, True),
        (6, False),
    ]
    assert found[-1].fields["title"] == "two\nlines"
