import json
import resource
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from digest.items import Item
from jobs import import_items as job
from jobs.import_items import Watcher, import_items
from jobs.services import Services
from jobs.settings import ImportSettings, Settings
from sources.decoding import SourceError
from store import items, networks
from store.database import Database
from store.networks import Network
from tests.builders import NOW, stored_network


@pytest.fixture
def network(database: Database) -> Network:
    with database.writing() as connection:
        stored_network(connection, slug="demo")
        return networks.find(connection, "demo")


@pytest.fixture
def services(database: Database) -> Services:
    return Services(Settings(imports=ImportSettings(batch=10)), database, lambda: NOW)


def a_file(folder: Path, count: int, **changes: str) -> Path:
    file = folder / "items.jsonl"
    rows = ({"id": str(n), "title": f"Item {n}", "published": "2026-11-10"} | changes for n in range(count))
    with file.open("w") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    return file


def test_every_batch_goes_in_and_progress_reaches_the_end(services: Services, network: Network, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    class Steps(Watcher):
        def read(self, octets: int, of: int) -> None:
            seen.append((octets, of))

    file = a_file(tmp_path, 35)
    report = import_items(services, network, str(file), watcher=Steps())
    assert (report.added, report.rejected) == (35, 0)
    assert len(seen) == 4
    assert seen[-1] == (file.stat().st_size,) * 2
    again = import_items(services, network, str(file))
    assert (again.added, again.changed, again.unchanged) == (0, 0, 35)


def test_an_interrupted_import_is_just_run_again(services: Services, network: Network, tmp_path: Path) -> None:
    class Stops(Watcher):
        def read(self, octets: int, of: int) -> None:
            raise KeyboardInterrupt

    file = str(a_file(tmp_path, 25))
    with pytest.raises(KeyboardInterrupt):
        import_items(services, network, file, watcher=Stops())
    with services.database.reading() as connection:
        assert len(items.load(connection, network.key)) == 10
    report = import_items(services, network, file)
    assert (report.added, report.unchanged) == (15, 10)


def test_items_may_be_adjusted_on_their_way_in(services: Services, network: Network, tmp_path: Path) -> None:
    week = timedelta(days=7)

    def later(item: Item) -> Item:
        return replace(item, published_at=item.published_at + week if item.published_at else None)

    import_items(services, network, str(a_file(tmp_path, 1)), adjust=later)
    with services.database.reading() as connection:
        (item,) = items.load(connection, network.key)
    assert item.published_at
    assert item.published_at.isoformat() == "2026-11-17T00:00:00+00:00"


def test_a_batch_ends_when_its_texts_get_long(monkeypatch: pytest.MonkeyPatch) -> None:
    from sources.items import Record

    monkeypatch.setattr(job, "BATCH_CHARACTERS", 100)
    records = [Record(n, {"title": "x" * 60, "topics": []}) for n in range(5)]
    assert [len(batch) for batch in job._batches(records, 10)] == [2, 2, 1]
    assert [len(batch) for batch in job._batches(records, 1)] == [1] * 5


@pytest.fixture
def website(tmp_path: Path) -> Iterator[str]:
    """A real HTTP server for the files of `tmp_path`/site."""
    site = tmp_path / "site"
    site.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        (
            "feed.xml",
            "<rss version='2.0'><channel><item><title>A</title><link>/a</link></item></channel></rss>",
            "feed",
        ),
        ("items.csv", "title,url\nA,https://example.org\n", "csv"),
        ("items.jsonl", '{"title": "A"}', "jsonl"),
    ],
)
def test_every_format_comes_in_from_an_address(
    services: Services, network: Network, website: str, tmp_path: Path, name: str, content: str, form: str
) -> None:
    (tmp_path / "site" / name).write_text(content)
    loopback = ip_address("127.0.0.1")
    report = import_items(services, network, f"{website}/{name}", may_connect=lambda address: address == loopback)
    assert (report.format, report.added) == (form, 1)
    with services.database.reading() as connection:
        (item,) = items.load(connection, network.key)
    assert item.title == "A"
    assert form != "feed" or item.url == f"{website}/a"


def test_rejects_of_an_address_go_into_the_folder_one_is_in(
    services: Services, network: Network, website: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site" / "items.csv").write_text("title,kind\nA,x\n")
    report = import_items(services, network, f"{website}/items.csv", may_connect=lambda address: True)
    assert (report.rejected, report.rejects_file) == (1, "items.csv.rejected.csv")
    assert (tmp_path / "items.csv.rejected.csv").is_file()


def test_without_a_test_of_its_own_an_address_inside_is_refused(
    services: Services, network: Network, website: str
) -> None:
    with pytest.raises(SourceError, match="only public addresses are read"):
        import_items(services, network, f"{website}/items.csv")


def test_a_long_file_is_read_in_constant_memory(sqlite_database: Database, tmp_path: Path) -> None:
    """Three times as many lines with long bodies may not take more memory: batches are dropped as they are done."""
    with sqlite_database.writing() as connection:
        stored_network(connection, slug="demo")
        network = networks.find(connection, "demo")
    services = Services(Settings(imports=ImportSettings(batch=50)), sqlite_database, lambda: NOW)
    body = "word " * 10_000
    import_items(services, network, str(a_file(tmp_path, 100, body=body, language="en")), dry_run=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import_items(services, network, str(a_file(tmp_path, 800, body=body, language="en")), dry_run=True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000
