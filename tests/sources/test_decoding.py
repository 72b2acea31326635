import codecs
from pathlib import Path

import pytest

from sources.decoding import CHUNK, UNREADABLE, SourceError, encoding_of
from sources.delimited import Table

TEXT = "address,name\nsian@example.org,Siân Ŵyn\n"


def written(tmp_path: Path, octets: bytes) -> Path:
    file = tmp_path / "members.csv"
    file.write_bytes(octets)
    return file


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (TEXT.encode(), "UTF-8"),
        (TEXT.encode("utf-8-sig"), "UTF-8"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "UTF-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "UTF-16"),
    ],
)
def test_each_encoding_gives_the_same_text(tmp_path: Path, octets: bytes, name: str):
    with Table(written(tmp_path, octets)) as table:
        assert table.encoding.name == name
        assert table.header == ("address", "name")
        assert [row.cells for row in table] == [("sian@example.org", "Siân Ŵyn")]


def test_what_is_no_utf_8_is_windows_1252(tmp_path: Path):
    with Table(written(tmp_path, "address,name\nzoe@example.org,Zoë “Zo” €\n".encode("cp1252"))) as table:
        assert table.encoding.name == "Windows-1252"
        assert [row.cells[1] for row in table] == ["Zoë “Zo” €"]


def test_plain_ascii_is_utf_8(tmp_path: Path):
    assert encoding_of(written(tmp_path, b"a,b\n1,2\n")).codec == "utf-8"


def test_a_few_spoilt_octets_do_not_turn_good_utf_8_into_windows_1252(tmp_path: Path):
    file = written(tmp_path, (TEXT * 3).encode() + b"x@example.org,Zo\xeb\n")
    assert encoding_of(file).codec == "utf-8"
    with Table(file) as table:
        assert [UNREADABLE in row.cells[1] for row in table][-1]


def test_a_replacement_character_that_was_written_so_is_good_utf_8(tmp_path: Path):
    assert encoding_of(written(tmp_path, "Sia\N{REPLACEMENT CHARACTER}n".encode())).codec == "utf-8"


@pytest.mark.parametrize("before", [CHUNK - 1, CHUNK - 2, CHUNK])
def test_a_character_across_two_pieces_of_the_file_is_one_character(tmp_path: Path, before: int):
    assert encoding_of(written(tmp_path, b"x" * before + "€".encode() + b"x" * 10)).codec == "utf-8"


def test_a_character_cut_off_at_the_end_is_no_utf_8(tmp_path: Path):
    assert encoding_of(written(tmp_path, "Zoë".encode()[:-1])).codec == "cp1252"


def test_utf_16_without_a_mark_is_named(tmp_path: Path):
    with pytest.raises(
        SourceError, match=r"members\.csv: this looks like UTF-16 without a byte order mark; save it as"
    ):
        encoding_of(written(tmp_path, TEXT.encode("utf-16-le")))


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(SourceError, match=r"none\.csv: cannot be read: No such file"):
        encoding_of(tmp_path / "none.csv")
