from hypothesis import given
from hypothesis import strategies as st

from digest.items import Topic
from web.preferences_form import tree, zones

keys = st.sampled_from("abcdefg")
forests = st.lists(st.tuples(keys, st.sampled_from([*"abcdefgz", ""])), unique_by=lambda pair: pair[0])


def shown(branches):
    return [topic.key for branch in branches for topic in (branch.topic, *(below for _, below in branch.below))]


@given(forests)
def test_every_topic_is_shown_once_whatever_the_parents_say(pairs):
    topics = [Topic(key, key.upper(), parent=parent) for key, parent in pairs]
    assert sorted(shown(tree(topics))) == sorted(key for key, _ in pairs)


def test_a_branch_lists_what_is_below_it_with_its_depth():
    topics = [Topic("a", "A"), Topic("c", "C", parent="b"), Topic("b", "B", parent="a"), Topic("d", "D")]
    first, second = tree(topics)
    assert [(depth, topic.key) for depth, topic in first.below] == [(1, "b"), (2, "c")]
    assert (second.topic.key, second.below) == ("d", ())


def test_a_ring_of_parents_and_a_missing_parent_lose_nothing():
    topics = [Topic("a", "A", parent="b"), Topic("b", "B", parent="a"), Topic("c", "C", parent="none")]
    assert sorted(shown(tree(topics))) == ["a", "b", "c"]


def test_the_zones_offered_are_places():
    offered = zones()
    assert "Europe/London" in offered["Europe"]
    assert "Asia/Kolkata" in offered["Asia"]
