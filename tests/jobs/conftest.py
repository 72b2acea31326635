from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database import Database
from tests.jobs.installation import Installation, installed


@pytest.fixture
def installation(sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    with installed(sqlite_database, tmp_path, monkeypatch) as found:
        yield found
