import json
from pathlib import Path

import pytest

from sources.decoding import SourceError
from sources.items import Record
from sources.jsonl import LINE_CHARACTERS, JsonLines, JsonRejects


def records(file: Path, content: bytes) -> list[Record]:
    file.write_bytes(content)
    with JsonLines(file) as lines:
        return list(lines)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "items.jsonl"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_lines_are_read_in_any_encoding(file: Path, codec: str) -> None:
    text = '{"title": "réadaptation — un"}\r\n\r\n{"title": "2"}'
    assert records(file, text.encode(codec)) == [Record(1, {"title": "réadaptation — un"}), Record(3, {"title": "2"})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"title": ', "not JSON: Expecting value at character"),
        ('"text"', "an item must be a JSON object"),
        ("12", "an item must be a JSON object"),
        ('{"germane_raw": "x"}', "put the mended object in the place"),
        ("{" + '"a":[' * 100_000, "not JSON"),
        ('{"a": ' + "1" * 5000 + "}", "not JSON that can be read"),
    ],
)
def test_a_line_that_is_no_object_spoils_only_itself(file: Path, line: str, reason: str) -> None:
    before, wrong, after = records(file, f'{{"n": 1}}\n{line}\n{{"n": 2}}\n'.encode())
    assert (before.fields, after.fields, after.line) == ({"n": 1}, {"n": 2}, 3)
    assert reason in wrong.problem
    assert "germane_raw" in wrong.fields


def test_a_line_beyond_the_limit_is_left_out_and_reading_goes_on(file: Path) -> None:
    long, after = records(file, b'{"a": "' + b"x" * (2 * LINE_CHARACTERS) + b'"}\n{"n": 2}')
    assert "longer than 8,000,000 characters" in long.problem
    assert len(str(long.fields)) < 3000
    assert after == Record(2, {"n": 2})


def test_characters_that_the_encoding_does_not_have_are_named(file: Path) -> None:
    good = json.dumps({"title": "ŵŷâêîô" * 20}, ensure_ascii=False).encode()
    first, second = records(file, good + b'\n{"title": "caf\xe9"}\n')
    assert first.problem == ""
    assert "not in the file's encoding" in second.problem


def test_an_array_says_what_to_write_instead(file: Path) -> None:
    for content in (b'[\n{"title": "x"}\n]', b'[{"title": "x"}]'):
        with pytest.raises(SourceError, match="one object on each line"):
            records(file, content)


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(SourceError, match=r"items\.jsonl: cannot be read"):
        JsonLines(file)


def test_rejects_can_be_mended_and_read_again(file: Path) -> None:
    wrong = records(file, b'{"title": "\xc5\xb4"}\nno json\n')
    with JsonRejects(file) as rejects:
        assert not rejects.path.exists()
        for record in wrong:
            rejects.add(record, "a reason")
    again = records(rejects.path, rejects.path.read_bytes())
    assert again[0] == Record(1, {"title": "Ŵ", "germane_line": 1, "germane_reason": "a reason"})
    assert again[1].fields["germane_raw"] == "no json"
    assert rejects.count == 2
    JsonRejects(file)
    assert not rejects.path.exists()


def test_progress_reaches_the_end(file: Path) -> None:
    file.write_bytes(b'{"n": 1}\n' * 1000)
    with JsonLines(file) as lines:
        assert len(list(lines)) == 1000
        assert lines.octets_read == lines.octets == 9000
