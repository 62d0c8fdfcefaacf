"""Meta-features of documents, all named ``text.``...

Tokens are lower-cased words and single punctuation marks; entropies are in bits.

* ``simple``: ``nr_inst``, and the labels' features of :mod:`.labels`.
* ``length``: ``tokens`` and ``characters`` of a document, ``token_length``; shares of documents
  that are empty and that repeat another, and of characters that are upper-case, digits and not
  of ASCII.
* ``vocabulary``: ``vocabulary`` (types), ``type_token_ratio`` of all tokens read and
  ``segment_type_token_ratio`` of 100 in a row, ``hapax_ratio`` (share of types that occur once),
  ``zipf_slope`` (log frequency over log rank), ``heaps_exponent`` (log vocabulary over log
  length), ``oov_ratio`` (share of tokens of one half of the documents that the other lacks),
  ``unigram_ent``, ``bigram_ent``.
* ``landmarking``: ``naive_bayes``, ``nearest_centroid`` and ``one_nn`` for classes, ``ridge`` and
  ``one_nn`` for numbers, on a bag of words hashed to 4,096 columns, in threefold
  cross-validation: accuracy, or R^2.
"""

from __future__ import annotations

from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import is_numeric
from optuna_meta.features.cross_validation import cross_validate
from optuna_meta.features.cross_validation import make_learners
from optuna_meta.features.groups import Budget
from optuna_meta.features.groups import Extractor
from optuna_meta.features.groups import Steps
from optuna_meta.features.labels import describe_labels
from optuna_meta.features.labels import LABEL_NAMES
from optuna_meta.features.labels import read_labels
import optuna_meta.features.stats as stats
import optuna_meta.features.text.tokens as tokens
from optuna_meta.features.text.tokens import Corpus


__all__ = ["text_meta_features"]

_MAX_LANDMARKED = 1_500  # Distances between all of them take eighteen megabytes.
_COLUMNS = 4_096  # Of hashed words: common ones rarely share a column.
_LEARNERS = ("nearest_centroid", "one_nn", "ridge")  # of words weighted by their rarity
_GROUPS = {
    "simple": ("nr_inst", *LABEL_NAMES),
    "length": tokens.LENGTH_NAMES,
    "vocabulary": tokens.VOCABULARY_NAMES,
    "landmarking": ("naive_bayes", *_LEARNERS),
}


def prepare_documents(documents: Any, labels: Any = None, *, seed: int, budget: Budget) -> Steps:
    """Read a sample of documents, and say how to compute each group of features.

    The number of documents and the labels' features are of all; everything else is of a sample of
    at most 5,000 documents and two million characters, landmarkers of 1,500 documents.

    Args:
        documents: n documents, in a sequence, an array or a pandas Series. One that is missing is
            empty; bytes are UTF-8; a list of words is joined.
        labels: n labels of any type, None where one is missing; None for no labels.
        seed: Of the generators that draw the documents and the landmarkers' folds.
        budget: The time that there is.

    Raises:
        ValueError: If there are no documents, or labels are more or fewer.
    """
    rows, drawn = tokens.draw_items(documents, "documents", np.random.default_rng(seed))
    y = read_labels(labels, len(documents))
    corpus = tokens.read_corpus([tokens.as_text(document) for document in drawn])
    return {
        "simple": lambda: {"nr_inst": len(documents), **describe_labels(y)},
        "length": lambda: tokens.describe_lengths(corpus),
        "vocabulary": lambda: tokens.describe_vocabulary(corpus, np.random.default_rng([seed, 1])),
        "landmarking": lambda: _landmark(corpus, y[rows], seed, budget),
    }


text_meta_features = Extractor("text.", _GROUPS, prepare_documents)


def _landmark(corpus: Corpus, y: NDArray[Any], seed: int, budget: Budget) -> dict[str, float]:
    # Imported here, for scikit-learn takes most of a second and many studies need none of it.
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.naive_bayes import MultinomialNB

    rng = np.random.default_rng([seed, 2])
    rows = stats.subsample(len(y), _MAX_LANDMARKED, rng)
    columns = np.array([_hash(word) for word in corpus.vocabulary], dtype=np.int64)
    cells = (corpus.document, columns[corpus.tokens]) if len(corpus.tokens) else ([], [])
    counts = csr_matrix((np.ones(len(corpus.tokens)), cells), shape=(len(y), _COLUMNS))[rows]
    # Of the sample as a whole: how often words occur says nothing of the labels.
    weighted = TfidfTransformer().fit_transform(counts)
    y, regression = y[rows], is_numeric(y)
    bayes = {"naive_bayes": MultinomialNB()}
    scores = {} if regression else cross_validate(bayes, counts, y, rng, budget)
    learners = make_learners(_LEARNERS, regression)
    return scores | cross_validate(learners, weighted, y, rng, budget)


def _hash(word: str) -> int:
    # Not Python's own hash, which differs between processes.
    return zlib.crc32(word.encode("utf-8", errors="replace")) % _COLUMNS
