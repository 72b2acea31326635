from pathlib import Path

from sources.delimited import Row, Table
from sources.rejects import Rejects, rejects_file


def test_nothing_is_written_while_nothing_is_rejected(tmp_path: Path):
    with Rejects(tmp_path / "members.csv", ("address",)) as rejects:
        assert rejects.count == 0
    assert not rejects_file(tmp_path / "members.csv").exists()


def test_rejects_of_an_earlier_import_are_removed(tmp_path: Path):
    old = rejects_file(tmp_path / "members.csv")
    old.write_text("old")
    Rejects(tmp_path / "members.csv", ("address",))
    assert not old.exists()


def test_a_rejected_row_keeps_its_cells_and_gets_line_and_reason(tmp_path: Path):
    with Rejects(tmp_path / "members.csv", ("address", "name"), ";") as rejects:
        rejects.add(Row(7, ("jo@", "=Jo; 'the' \"boss\"\nBloggs")), "address: it has no domain")
    with Table(rejects.path) as table:
        assert table.header == ("address", "name", "germane_line", "germane_reason")
        (row,) = table
    assert row.cells == ("jo@", "=Jo; 'the' \"boss\"\nBloggs", "7", "address: it has no domain")


def test_the_two_columns_are_not_doubled_when_a_mended_file_is_rejected_again(tmp_path: Path):
    header = ("address", "germane_line", "Germane_Reason", "name")
    with Rejects(tmp_path / "members.csv", header) as rejects:
        rejects.add(Row(2, ("jo@", "7", "old", "Jo")), "new")
    with Table(rejects.path) as table:
        assert table.header == ("address", "name", "germane_line", "germane_reason")
        assert [row.cells for row in table] == [("jo@", "Jo", "2", "new")]
