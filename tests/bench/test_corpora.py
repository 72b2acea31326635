import gzip
from pathlib import Path

import pytest

from bench.corpora import CorpusError, read_corpus
from tests.bench.corpora import write_corpus


def test_a_corpus_is_read_with_its_rounds_and_judgements(tmp_path: Path) -> None:
    corpus = read_corpus(write_corpus(tmp_path))
    assert len(corpus.archive) == 80
    assert (corpus.cap, corpus.utility) == (8, 2.0)
    items = corpus.items_of(corpus.test_rounds)
    assert corpus.grades("m-stroke", items).sum() == 6


def test_members_come_with_their_latest_likes(tmp_path: Path) -> None:
    corpus = read_corpus(write_corpus(tmp_path))
    assert [item["id"] for item in corpus.members(2)[0]["liked"]] == ["i72", "i76"]
    assert corpus.members(0)[0]["liked"] == []


@pytest.mark.parametrize("name", ["meta.json", "items.jsonl.gz", "members.jsonl.gz", "qrels.tsv.gz"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (write_corpus(tmp_path) / name).unlink()
    with pytest.raises(CorpusError, match=name):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("items.jsonl.gz", '{"id": "a", "title": "b", "text": "c", "round": 1}\n{oops', "line 2: not JSON"),
        ("items.jsonl.gz", '{"id": "a"}', "line 1: has no 'title'"),
        ("members.jsonl.gz", "[]", "line 1: has no 'id'"),
        ("members.jsonl.gz", '{"id": "a", "interest": "b", "liked": ["zz"], "disliked": []}', "line 1: no item 'zz'"),
        ("qrels.tsv.gz", "m\ti", "line 1: wants member, item and grade"),
        ("qrels.tsv.gz", "m\ti\tnan", "line 1: wants"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (write_corpus(tmp_path) / name).write_bytes(gzip.compress(text.encode()))
    with pytest.raises(CorpusError, match=message):
        read_corpus(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"calib_rounds": 3}', "{"])
def test_a_broken_meta_file_is_named(tmp_path: Path, text: str) -> None:
    (write_corpus(tmp_path) / "meta.json").write_text(text)
    with pytest.raises(CorpusError, match=r"meta\.json"):
        read_corpus(tmp_path)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not a folder"):
        read_corpus(tmp_path / "none")
