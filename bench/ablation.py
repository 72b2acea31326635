"""What each ingredient of matching is worth: every one left out alone, everything else as it is, through the production code."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.corpora import read_corpus
from bench.evaluation import Split, Stage
from digest.learning import Settings as LearningSettings
from digest.vectors import Settings as SpaceSettings

LIKES = (0, 10)
OF_SPACE: dict[str, SpaceSettings] = {
    "stemming": SpaceSettings(stemming=False),
    "stop words": SpaceSettings(stop_words=False),
    "sublinear counts": SpaceSettings(sublinear=False),
    "title twice": SpaceSettings(title_weight=1.0),
    "word pairs": SpaceSettings(pairs=False),
    "rarity above the textbook's": SpaceSettings(rarity=1.0),
    "document-frequency limit": SpaceSettings(max_share=1.0),
    "topics found by their synonyms": SpaceSettings(synonym_weight=0.0),
    "ancestors of topics": SpaceSettings(ancestor_weight=0.0),
    "latent semantics": SpaceSettings(latent=0),
    "whitening": SpaceSettings(whitening=1e6),
    "items seen beside the members": SpaceSettings(crowd=0),
    "weight of the field by feedback": SpaceSettings(learn_field=False),
}
OF_LEARNING: dict[str, LearningSettings] = {
    "expansion": LearningSettings(expansion=0.0),
    "coverage": LearningSettings(coverage=False),
    "likes": LearningSettings(like_weight=0.0),
    "dislikes": LearningSettings(dislike_weight=0.0),
    "calibration by earlier words": LearningSettings(earlier=0.0),
}


@dataclass(frozen=True, slots=True)
class Ablation:
    """`ndcg` and `utility` (T11SU) without one ingredient, for each number of likes; `without` is empty for all of them."""

    without: str
    ndcg: tuple[float, ...]
    utility: tuple[float, ...]


def ablation(
    folder: Path, split: Split = "test", ks: Sequence[int] = LIKES, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Ablation]:
    """Everything together, then without each ingredient in turn. Raises CorpusError."""
    corpus = read_corpus(folder)
    stage = Stage(corpus)
    yield _measured("", stage, split, ks)
    for name, learning in OF_LEARNING.items():
        progress(f"{corpus.name}: without {name}")
        stage.learning = learning
        yield _measured(name, stage, split, ks)
    stage.learning = LearningSettings()
    stage.learns = False
    yield _measured("profiles that learn on", stage, split, ks)
    stage.learns = True
    stage.each = False
    yield _measured("calibration for each member", stage, split, ks)
    stage.each, stage.weekly = True, False
    yield _measured("feedback on digests", stage, split, ks)
    for name, settings in OF_SPACE.items():
        progress(f"{corpus.name}: without {name}")
        yield _measured(name, Stage(corpus, settings), split, ks)


def _measured(without: str, stage: Stage, split: Split, ks: Sequence[int]) -> Ablation:
    found = [stage.tally(k, split)[0] for k in ks]
    return Ablation(
        without,
        tuple(float(np.mean(tally.ranking_of_members()[:, 1])) for tally in found),
        tuple(float(tally.utility_of_members().mean()) for tally in found),
    )
