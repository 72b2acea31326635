"""What one would write first, to be measured beside the product: plain scikit-learn TF-IDF, BM25, LSA, and a linear SVM for each
member in the way of arxiv-sanity-lite. Each scores all members against all items at once, with its own reading of the texts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from bench.corpora import Corpus, Record

Floats = npt.NDArray[np.float64]

WORD = re.compile(r"[a-z][a-z0-9]+")
K1, B = 1.5, 0.75
QUERY_TERMS = 20
"""Of a liked item that are asked for in BM25."""


@dataclass(frozen=True)
class Setting:
    """A corpus with so many likes known of each member, and the items to be scored."""

    corpus: Corpus
    likes: int
    items: Sequence[Record]

    @cached_property
    def members(self) -> list[Record]:
        """Members with what they liked and disliked."""
        return self.corpus.members(self.likes)

    @cached_property
    def interests(self) -> list[str]:
        """What each member stated."""
        return [member["interest"] for member in self.members]

    def shares(self, kind: str) -> sp.csr_matrix:
        """Rows of shape (n_members, n_archive) that give the mean of what was liked or disliked."""
        place = {item["id"]: n for n, item in enumerate(self.corpus.archive)}
        rows = [[place[item["id"]] for item in member[kind]] for member in self.members]
        values = [1.0 / len(row) for row in rows for _ in row]
        member = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        column = np.array([column for row in rows for column in row], dtype=np.int64)
        return sp.csr_matrix((values, (member, column)), shape=(len(rows), len(place)))


def texts(records: Sequence[Record]) -> list[str]:
    """Title and text of each record."""
    return [f"{record['title']} . {record['text']}" for record in records]


def tfidf(setting: Setting) -> Floats:
    """Cosine with the stated interest and the mean liked item, TfidfVectorizer as it comes."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    vectorizer = TfidfVectorizer()
    archive = vectorizer.fit_transform(texts(setting.corpus.archive))
    profiles = normalize(vectorizer.transform(setting.interests) + setting.shares("liked") @ archive)
    return np.asarray((profiles @ vectorizer.transform(texts(setting.items)).T).toarray())


def _stemmed() -> Callable[[str], list[str]]:
    import Stemmer
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    stemmer = Stemmer.Stemmer("english")
    return lambda text: stemmer.stemWords([w for w in WORD.findall(text.lower()) if w not in ENGLISH_STOP_WORDS])


def bm25(setting: Setting) -> Floats:
    """Okapi BM25 (Robertson and Zaragoza 2009) of the stated words and, twice as much, of the best terms of each liked item."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=_stemmed())
    archive = vectorizer.fit_transform(texts(setting.corpus.archive)).astype(np.float64)
    found = np.bincount(archive.indices, minlength=archive.shape[1])
    idf = np.log1p((archive.shape[0] - found + 0.5) / (found + 0.5))
    items = vectorizer.transform(texts(setting.items)).astype(np.float64)
    length = np.asarray(items.sum(axis=1)).ravel() / (archive.sum() / archive.shape[0])
    row = np.repeat(np.arange(items.shape[0]), np.diff(items.indptr))
    items.data = idf[items.indices] * items.data * (K1 + 1) / (items.data + K1 * (1 - B + B * length[row]))
    query = _mean_terms(vectorizer.transform(setting.interests))
    archive.data = (1 + np.log(archive.data)) * idf[archive.indices]
    liked = setting.shares("liked") @ _mean_terms(_best_terms(archive, QUERY_TERMS))
    return np.asarray(((query + 2 * liked) @ items.T).toarray())


def _mean_terms(rows: sp.csr_matrix) -> sp.csr_matrix:
    ones = sp.csr_matrix((np.ones(rows.nnz), rows.indices, rows.indptr), shape=rows.shape)
    size = np.maximum(np.diff(rows.indptr), 1)
    return sp.csr_matrix(sp.diags_array(1.0 / size).tocsr() @ ones)


def _best_terms(rows: sp.csr_matrix, most: int) -> sp.csr_matrix:
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    order = np.lexsort((-rows.data, row))
    place = np.arange(len(order)) - rows.indptr[:-1][row[order]]
    kept = np.sort(order[place < most])
    return sp.csr_matrix((rows.data[kept], (row[kept], rows.indices[kept])), shape=rows.shape)


def lsa(setting: Setting) -> Floats:
    """Cosine in 300 dimensions of TruncatedSVD over stemmed TF-IDF with word pairs; Rocchio with weights that grow with likes."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    stems = _stemmed()

    def analyse(text: str) -> list[str]:
        words = stems(text)
        return words + [f"{a} {b}" for a, b in pairwise(words)]

    small = len(setting.corpus.archive) < 1000
    vectorizer = TfidfVectorizer(analyzer=analyse, sublinear_tf=True, min_df=1 if small else 2, max_df=0.4)
    archive = vectorizer.fit_transform(texts(setting.corpus.archive))
    size = min(300, min(archive.shape) - 1)
    svd = TruncatedSVD(size, random_state=0, n_iter=4).fit(archive)
    past = normalize(svd.transform(archive))
    likes = np.array([len(member["liked"]) for member in setting.members])
    weight = (0.3 * likes**0.8)[:, None]
    profiles = normalize(svd.transform(vectorizer.transform(setting.interests)))
    profiles += weight * (setting.shares("liked") @ past - 0.5 * (setting.shares("disliked") @ past))
    return np.asarray(normalize(profiles) @ normalize(svd.transform(vectorizer.transform(texts(setting.items)))).T)


def svm(setting: Setting) -> Floats:
    """LinearSVC for each member as in arxiv-sanity-lite: the liked items and the stated interest against all others."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    archive = texts(setting.corpus.archive)
    vectorizer = TfidfVectorizer(
        sublinear_tf=True, stop_words="english", min_df=1 if len(archive) < 1000 else 5, max_df=0.5,
        ngram_range=(1, 2), max_features=10_000,
    )  # fmt: skip
    rows = vectorizer.fit_transform(archive)
    stated, items = vectorizer.transform(setting.interests), vectorizer.transform(texts(setting.items))
    liked = setting.shares("liked")
    found = []
    for member in range(len(setting.members)):
        good = np.zeros(rows.shape[0] + 1, dtype=np.int64)
        good[0], good[1 + liked[[member]].indices] = 1, 1
        machine: Any = LinearSVC(C=0.1, class_weight="balanced", max_iter=10_000, tol=1e-6)
        machine.fit(sp.vstack([stated[[member]], rows]), good)
        found.append(machine.decision_function(items))
    return np.stack(found)


BASELINES: dict[str, Callable[[Setting], Floats]] = {
    "scikit-learn TF-IDF": tfidf,
    "BM25": bm25,
    "LSA": lsa,
    "linear SVM per member": svm,
}
