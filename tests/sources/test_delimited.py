import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.decoding import SourceError
from sources.delimited import ROW_CHARACTERS, Row, Table, guard, unguard


def read(tmp_path: Path, content: str | bytes) -> list[Row]:
    with a_table(tmp_path, content) as table:
        return list(table)


def a_table(tmp_path: Path, content: str | bytes) -> Table:
    file = tmp_path / "members.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Table(file)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str):
    content = "address,name,region\njo@example.org,Jo,Wales\n".replace(",", delimiter)
    with a_table(tmp_path, content) as table:
        assert table.header == ("address", "name", "region")
        assert list(table) == [Row(2, ("jo@example.org", "Jo", "Wales"))]


def test_a_delimiter_inside_quotes_does_not_count(tmp_path: Path):
    with a_table(tmp_path, '"a,b,c";d\n1;2\n') as table:
        assert table.delimiter == ";"


def test_the_line_that_names_the_separator_is_obeyed(tmp_path: Path):
    with a_table(tmp_path, "sep=;\r\naddress;name, known\r\njo@example.org;Jo\r\n") as table:
        assert table.header == ("address", "name, known")
        assert list(table) == [Row(3, ("jo@example.org", "Jo"))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read_and_counted(tmp_path: Path, end: str):
    assert read(tmp_path, end.join(["a,b", "1,2", "", "3,4"])) == [Row(2, ("1", "2")), Row(4, ("3", "4"))]


def test_quoted_line_breaks_stay_in_their_cell_and_the_row_has_the_line_it_begins_on(tmp_path: Path):
    rows = read(tmp_path, 'a,b\n1,"one\r\ntwo\nthree"\n2,x\n')
    assert rows == [Row(2, ("1", "one\r\ntwo\nthree")), Row(5, ("2", "x"))]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff\n", "   \n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: str):
    with pytest.raises(SourceError, match=r"members\.csv: the file is empty; its first line must name the columns"):
        a_table(tmp_path, content)


def test_a_header_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path):
    with pytest.raises(SourceError, match=r"line 2: the names of the columns cannot be read: a quote"):
        a_table(tmp_path, '\n"address,name\njo@example.org,Jo\n')
    with pytest.raises(SourceError, match="NUL"):
        a_table(tmp_path, "addr\0ess,name\n")


def test_a_quote_that_is_never_closed_spoils_its_own_row_only(tmp_path: Path):
    rows = read(tmp_path, 'a,b\n1,x\n2,"open\n3,y\n4,z\n')
    assert [row.line for row in rows] == [2, 3, 4, 5]
    assert rows[1] == Row(3, ('2,"open', ""), "a quote that opens on this line is never closed")
    assert rows[2:] == [Row(4, ("3", "y")), Row(5, ("4", "z"))]


def test_a_quote_closed_by_the_next_row_that_has_one_spoils_its_own_row_only(tmp_path: Path):
    rows = read(tmp_path, 'a,b\n1,"open\n2,"fine, too"\n"3",y\n')
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, True), (3, False), (4, False)]


def test_many_open_quotes_are_each_named(tmp_path: Path):
    lines = [f'{n},"open' if n % 3 == 0 else f"{n},fine" for n in range(300)]
    rows = read(tmp_path, "\n".join(["a,b", *lines]))
    assert [row.line for row in rows if row.problem] == [n + 2 for n in range(0, 300, 3)]
    assert len(rows) == 300


def test_an_open_quote_takes_no_more_than_the_limit_into_memory(tmp_path: Path):
    filler = [f"{n},{'x' * 1000}" for n in range(1100)]
    rows = read(tmp_path, "\n".join(["a,b", '0,"open', *filler, '9,"y"']))
    assert rows[0].problem == "a quote that opens on this line is never closed"
    assert len(rows) == 1102
    assert not any(row.problem for row in rows[1:])


def test_a_cell_of_a_megabyte_is_named_and_skipped(tmp_path: Path):
    rows = read(tmp_path, f"a,b\n1,{'x' * (ROW_CHARACTERS * 3)}\n2,y\n")
    assert rows[0].line == 2
    assert rows[0].problem == "the line is longer than 1,000,000 characters"
    assert len(rows[0].cells[0]) <= 2000
    assert rows[1:] == [Row(3, ("2", "y"))]


def test_a_megabyte_after_an_open_quote_costs_two_rows_and_no_more(tmp_path: Path):
    rows = read(tmp_path, f'a,b\n1,"open\n{"x" * (ROW_CHARACTERS * 2)}\n2,y\n3,z\n')
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, True), (3, True), (4, False), (5, False)]


def test_a_cell_just_under_the_limit_is_read(tmp_path: Path):
    (row,) = read(tmp_path, f"a,b\n1,{'x' * (ROW_CHARACTERS - 10)}\n")
    assert (row.problem, len(row.cells[1])) == ("", ROW_CHARACTERS - 10)


def test_a_row_of_the_wrong_width_is_named(tmp_path: Path):
    rows = read(tmp_path, "a,b\n1\n1,2,3\n1,2,,\n")
    assert rows == [
        Row(2, ("1", ""), "the row has 1 cells where the header has 2"),
        Row(3, ("1", "2 3"), "the row has 3 cells where the header has 2"),
        Row(4, ("1", "2")),
    ]


@pytest.mark.parametrize("cell", ["=1+1", "+44 20", "-x", "@SUM(A1)", "\tx", "\rx", "'=x", "''+x"])
def test_a_formula_is_guarded_and_comes_back_as_it_was(cell: str):
    assert guard(cell)[0] == "'"
    assert unguard(guard(cell)) == cell


@given(st.text())
def test_guarding_is_undone_by_reading(cell: str):
    assert unguard(guard(cell)) == cell
    assert not guard(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=20)


@given(st.lists(st.tuples(CELL, CELL).filter(any), max_size=8), st.sampled_from([",", ";", "\t"]))
def test_what_a_csv_writer_wrote_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list, delimiter: str):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([("one", "two"), *(map(guard, row) for row in rows)])
    found = read(tmp_path_factory.getbasetemp(), text.getvalue())
    assert [row.cells for row in found] == rows
    assert not any(row.problem for row in found)
