from dataclasses import replace

from digest.items import Topic
from store import topics
from store.database import Database
from tests.builders import stored_network

STROKE = Topic("stroke", "Stroke", "All of it", "", ("AVC", "strôc"))
ACUTE = Topic("acute", "Acute stroke", parent="stroke")


def test_topics_come_back_as_they_were_merged(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        assert topics.merge(connection, network, [STROKE, ACUTE]) == topics.Merged((STROKE, ACUTE), (), 0)
        assert topics.load(connection, network) == [STROKE, ACUTE]
        assert topics.load(connection, stored_network(connection)) == []


def test_merging_again_changes_nothing(database: Database) -> None:
    with database.writing() as connection:
        network = stored_network(connection)
        topics.merge(connection, network, [STROKE, ACUTE])
        assert topics.merge(connection, network, [ACUTE, STROKE]) == topics.Merged((), (), 2)
        assert topics.load(connection, network) == [STROKE, ACUTE]


def test_a_changed_topic_is_updated_and_the_others_stay(database: Database) -> None:
    new = replace(STROKE, label="Strokes", synonyms=())
    with database.writing() as connection:
        one, two = stored_network(connection), stored_network(connection)
        for network in (one, two):
            topics.merge(connection, network, [STROKE, ACUTE])
        assert topics.compare(connection, one, [new]).changed == ((STROKE, new),)
        assert topics.load(connection, one) == [STROKE, ACUTE]
        topics.merge(connection, one, [new])
        assert topics.load(connection, one) == [new, ACUTE]
        assert topics.load(connection, two) == [STROKE, ACUTE]
