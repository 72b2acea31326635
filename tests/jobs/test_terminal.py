"""Tables as people see them, in a narrow terminal too."""

import pytest

from jobs.terminal import print_table

COLUMNS = ("id", "kind", "state", "title")
ROWS = [
    ("k3x7m2q5v8wz4b6n", "opportunity", "published", f"Fellowships for early careers in stroke care {n}")
    for n in range(2)
]


def printed_in(width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *table: object) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(*table)  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    return out


def test_ids_and_names_of_columns_are_kept_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed_in(60, capsys, monkeypatch, "Items", COLUMNS, ROWS)
    assert out.count("k3x7m2q5v8wz4b6n") == 2
    assert out.count("opportunity") == out.count("published") == 2
    names = ("threshold", "members", "silent", "items", "unheard", "worth")
    out = printed_in(60, capsys, monkeypatch, "", names, [tuple(range(6))], tuple(range(6)))
    assert all(name in out for name in names)


def test_where_not_even_words_fit_the_longest_are_folded_and_nothing_is_lost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed_in(40, capsys, monkeypatch, "Items", COLUMNS, ROWS[:1])
    assert "kind" in out
    assert "title" in out
    letters = "".join(out.split())
    assert all(letter in letters for letter in "k3x7m2q5v8wz4b6n")
    wide = printed_in(30, capsys, monkeypatch, "", ("url",), [("https://example.org/" + "x" * 100,)])
    assert wide.count("x") == 100 + 1  # that of example, too
