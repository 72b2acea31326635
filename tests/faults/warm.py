"""Imported by the server that forks the processes of the tests: one whole edition, so that they start warm."""

import tempfile
from pathlib import Path

from delivery.sink import Sink, running
from jobs.run import run_edition
from profiles.member import Profile
from store import networks, schema
from store.database import Database
from tests.builders import NOW, some_services, stored_item, stored_member, stored_network, stored_topic


def _run_one_edition() -> None:
    with tempfile.TemporaryDirectory() as folder, running(Sink(lambda _message: None)) as sink:
        database = Database(f"sqlite:///{Path(folder) / 'germane.db'}")
        schema.upgrade(database)
        with database.writing() as connection:
            key = stored_network(connection, threshold=1.0)
            stored_topic(connection, key)
            for _ in range(3):
                stored_item(connection, key)
            stored_member(connection, key, profile=Profile(stated="discharge after stroke", languages=("en",)))
        with database.reading() as connection:
            network = networks.by_key(connection, key)
        services = some_services(database, smtp={"host": sink.host, "port": sink.port})
        report = run_edition(services, network, at=NOW)
        assert report.delivered == 1
        database.close()


_run_one_edition()
