import pytest

from digest.items import Topic
from sources.decoding import SourceError
from sources.topics import below, check_header, names, read_topic, resolve, slug, sort_topics

STROKE = Topic("stroke", "Stroke")
ACUTE = Topic("acute", "Acute stroke", parent="stroke")


def test_a_row_becomes_a_topic() -> None:
    row = {
        "key": "tia",
        "label": " TIA\nclinic ",
        "description": "x",
        "parent": "stroke",
        "synonyms": "AIT; AIT;mini-stroke;",
    }
    assert read_topic(row) == Topic("tia", "TIA clinic", "x", "stroke", ("AIT", "mini-stroke"))


def test_a_topic_without_a_key_gets_one_from_its_label() -> None:
    assert read_topic({"label": "Réadaptation après l’AVC"}).key == "readaptation-apres-l-avc"
    assert slug("!") == ""


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"key": "", "label": " "}, "label: a topic needs a label"),
        (
            {"key": "Stroke Unit", "label": "x"},
            "key: 'Stroke Unit' must be lower-case letters, digits and hyphens; write 'stroke-unit'",
        ),
        ({"key": "a--b", "label": "x"}, "key: 'a--b' must be lower-case letters, digits and hyphens; write 'a-b'"),
        ({"key": "a" * 81, "label": "x"}, "key: "),
        ({"label": "ŵ" * 3 + "!"}, None),
        ({"label": "中文"}, "key: '' must be"),
        ({"label": "x", "synonyms": ";".join(map(str, range(101)))}, "synonyms: more than 100"),
    ],
)
def test_a_fault_is_named_with_its_column(row: dict[str, str], reason: str | None) -> None:
    if reason is None:
        assert read_topic(row).key == "www"
        return
    with pytest.raises(ValueError, match="^" + reason.split(":")[0]) as caught:
        read_topic(row)
    assert reason in str(caught.value)


def test_a_word_means_a_key_before_a_label_before_a_synonym() -> None:
    known = names([Topic("a", "b", synonyms=("c", "x")), Topic("b", "c", synonyms=("Y",)), Topic("c", "a")])
    assert [resolve(word, known) for word in ("A", "b", "C", "X", "y")] == ["a", "b", "c", "a", "b"]


def test_an_unknown_word_says_what_is_near() -> None:
    with pytest.raises(ValueError, match="'strok' is no topic of this network; did you mean 'stroke'"):
        resolve("strok", names([STROKE]))
    with pytest.raises(ValueError, match="germane topics list"):
        resolve("xyz", names([STROKE]))


def test_below_is_the_topic_and_all_under_it() -> None:
    deep = Topic("hyper", "Hyperacute", parent="acute")
    tree = [deep, Topic("copd", "COPD"), ACUTE, STROKE]
    assert below("stroke", tree) == ("stroke", "acute", "hyper")
    assert below("copd", tree) == ("copd",)


def test_a_parent_may_be_named_by_key_or_label_and_stand_anywhere_or_be_stored() -> None:
    rows = [(2, Topic("hyper", "Hyperacute", parent="Acute Stroke")), (3, ACUTE)]
    found = sort_topics(rows, [STROKE])
    assert [topic.parent for topic in found.topics] == ["acute", "stroke"]
    assert found.rejected == ()


def test_a_row_whose_parent_does_not_go_in_does_not_go_in_either() -> None:
    rows = [(2, Topic("a", "A", parent="b")), (3, Topic("b", "B", parent="nothing")), (4, STROKE)]
    found = sort_topics(rows, [])
    assert [topic.key for topic in found.topics] == ["stroke"]
    assert found.rejected == (
        (2, "parent: 'b' is no topic of this file or network"),
        (3, "parent: 'nothing' is no topic of this file or network"),
    )


def test_a_circle_is_named_with_its_way_round() -> None:
    rows = [(2, Topic("a", "A", parent="b")), (3, Topic("b", "B", parent="c")), (4, Topic("c", "C", parent="a"))]
    assert dict(sort_topics(rows, []).rejected)[2] == "parent: goes round in a circle: a > b > c > a"
    assert sort_topics([(2, Topic("a", "A", parent="a"))], []).rejected == (
        (2, "parent: goes round in a circle: a > a"),
    )


def test_a_circle_with_what_is_stored_is_found() -> None:
    found = sort_topics([(2, Topic("stroke", "Stroke", parent="acute"))], [STROKE, ACUTE])
    assert found.rejected == ((2, "parent: goes round in a circle: stroke > acute > stroke"),)


def test_a_row_below_a_circle_is_not_part_of_it_and_waits_for_its_parent() -> None:
    rows = [(2, Topic("a", "A", parent="b")), (3, Topic("b", "B", parent="a")), (4, Topic("c", "C", parent="a"))]
    found = sort_topics(rows, [])
    assert found.topics == ()
    assert dict(found.rejected)[4] == "parent: 'a' is no topic of this file or network"


def test_a_key_that_comes_twice_keeps_its_first_row() -> None:
    found = sort_topics([(2, STROKE), (3, Topic("stroke", "Other"))], [])
    assert found.topics == (STROKE,)
    assert found.rejected == ((3, "key: 'stroke' stands on line 2 already"),)


def test_the_header_is_checked() -> None:
    assert check_header(("Key", " LABEL ", "", "germane_line"), "f") == ["key", "label", "", "germane_line"]
    with pytest.raises(SourceError, match="'lable' is not a known column"):
        check_header(("key", "lable"), "f")
    with pytest.raises(SourceError, match="no label column"):
        check_header(("parent",), "f")
