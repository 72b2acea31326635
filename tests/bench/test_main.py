import pytest

import bench.__main__ as bench


def test_every_figure_is_printed_before_the_next_one_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def rows():  # type: ignore[no-untyped-def]
        yield "first", "2 s", "1 s", False
        seen.append(capsys.readouterr().out)
        yield "second", "2 s", "", None

    monkeypatch.setattr(bench, "rows", rows)
    for part in (bench.comparison, bench.ceiling, bench.reasons):
        monkeypatch.setattr(part, "main", lambda: None)
    bench.main()
    assert "first" in seen[0]
    assert seen[0].rstrip().endswith("NO")
