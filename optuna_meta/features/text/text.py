"""Meta-features of documents, named ``text.``..., and of sentence pairs, named ``pair.``...

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

For pairs, ``simple`` is ``nr_inst``; ``length`` and ``vocabulary`` describe either side
(``pair.source...``, ``pair.target...``), and beside them

* ``length``: ``length_ratio`` (tokens of the target per token of the source) and ``length_cor``.
* ``vocabulary``: ``vocabulary_ratio`` (target's types per type of the source),
  ``shared_token_ratio`` (share of the target's tokens that its source sentence has too).
* ``alignment``: of :func:`.translation.align` from the source (``forward...``) and from the target
  (``backward...``), ``log_likelihood``, ``ent`` and ``distortion``.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.budget import Budget
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.cross_validation import NearestCentroid
from optuna_meta.features.cross_validation import probe
from optuna_meta.features.groups import compute
from optuna_meta.features.labels import describe_labels
from optuna_meta.features.labels import LABEL_NAMES
from optuna_meta.features.labels import read_labels
from optuna_meta.features.text.corpus import as_text
from optuna_meta.features.text.corpus import Corpus
from optuna_meta.features.text.corpus import describe_lengths
from optuna_meta.features.text.corpus import describe_vocabulary
from optuna_meta.features.text.corpus import draw
from optuna_meta.features.text.corpus import read_corpus
from optuna_meta.features.text.pairs import compare_lengths
from optuna_meta.features.text.pairs import compare_vocabularies
from optuna_meta.features.text.pairs import score_alignments
from optuna_meta.features.text.pairs import SIDES


__all__ = ["pair_meta_features", "text_meta_features"]

_MAX_DOCUMENTS = 5_000
_MAX_LANDMARKED = 1_500
_COLUMNS = 4_096
_LENGTH = (
    *("tokens.mean", "tokens.sd", "tokens.median", "tokens.max"),
    *("characters.mean", "characters.sd", "token_length", "empty_ratio", "duplicate_ratio"),
    *("upper_ratio", "digit_ratio", "non_ascii_ratio"),
)
_VOCABULARY = (
    *("vocabulary", "type_token_ratio", "segment_type_token_ratio", "hapax_ratio"),
    *("zipf_slope", "heaps_exponent", "oov_ratio", "unigram_ent", "bigram_ent"),
)
_TEXT_GROUPS = {
    "simple": ("nr_inst", *LABEL_NAMES),
    "length": _LENGTH,
    "vocabulary": _VOCABULARY,
    "landmarking": ("naive_bayes", "nearest_centroid", "one_nn", "ridge"),
}
_PAIR_GROUPS = {
    "simple": ("nr_inst",),
    "length": (
        *(f"{side}.{name}" for side in SIDES for name in _LENGTH),
        *("length_ratio.mean", "length_ratio.sd", "length_cor"),
    ),
    "vocabulary": (
        *(f"{side}.{name}" for side in SIDES for name in _VOCABULARY),
        *("vocabulary_ratio", "shared_token_ratio"),
    ),
    "alignment": tuple(
        f"{direction}.{name}"
        for direction in ("forward", "backward")
        for name in ("log_likelihood", "ent", "distortion")
    ),
}


def text_meta_features(
    documents: Any,
    labels: Any = None,
    *,
    groups: Iterable[str] | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Returns the meta-features of documents, named as in the module's docstring.

    The names and their order are always the same for the same groups; a feature that does not
    apply, or for which no time was left, is NaN. The number of documents and the labels' features
    are of all; everything else is of a sample of at most 5,000 documents and two million
    characters, landmarkers of 1,500 documents.

    Args:
        documents: n documents, in a sequence, an array or a pandas Series. One that is missing is
            empty; bytes are UTF-8; a list of words is joined.
        labels: n labels of any type, None where one is missing; None for no labels.
        groups: Which groups to compute; None for all.
        budget: The time that there is; None for no limit.
        seed: Of the generators that draw the documents and the landmarkers' folds.

    Raises:
        ValueError: If there are no documents, labels are more or fewer, or a group is unknown.
    """
    budget = budget or Budget()
    documents = _as_sequence(documents, "documents")
    y = read_labels(labels, len(documents))
    rows = draw(len(documents), _MAX_DOCUMENTS, np.random.default_rng(seed))
    corpus = read_corpus([as_text(documents[i]) for i in rows.tolist()])
    steps = {
        "simple": lambda: {"nr_inst": len(documents), **describe_labels(y)},
        "length": lambda: describe_lengths(corpus),
        "vocabulary": lambda: describe_vocabulary(corpus, np.random.default_rng([seed, 1])),
        "landmarking": lambda: _landmark(corpus, y[rows], seed, budget),
    }
    return compute("text.", _TEXT_GROUPS, steps, groups, budget)


def pair_meta_features(
    pairs: Any,
    *,
    groups: Iterable[str] | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Returns the meta-features of parallel sentences, named as in the module's docstring.

    The names and their order are always the same for the same groups; a feature that does not
    apply, or for which no time was left, is NaN. All but ``nr_inst`` is of a sample of at most
    5,000 pairs and two million characters a side, alignments of a million links between tokens.

    Args:
        pairs: A sequence of (source, target) strings, or an array of shape (n, 2).
        groups: Which groups to compute; None for all.
        budget: The time that there is; None for no limit.
        seed: Of the generators that draw the pairs, the halves and what is aligned.

    Raises:
        ValueError: If there are no pairs, one is none of two texts, or a group is unknown.
    """
    budget = budget or Budget()
    pairs = _as_sequence(pairs, "pairs")
    rows = draw(len(pairs), _MAX_DOCUMENTS, np.random.default_rng(seed))
    texts = [_split(pairs[i]) for i in rows.tolist()]
    sides = {side: read_corpus([text[j] for text in texts]) for j, side in enumerate(SIDES)}
    steps: dict[str, Callable[[], dict[str, float]]] = {
        "simple": lambda: {"nr_inst": len(pairs)},
        "length": lambda: compare_lengths(sides),
        "vocabulary": lambda: compare_vocabularies(sides, seed),
        "alignment": lambda: score_alignments(sides, np.random.default_rng([seed, 2]), budget),
    }
    return compute("pair.", _PAIR_GROUPS, steps, groups, budget)


def _as_sequence(values: Any, what: str) -> Any:
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    indexed = hasattr(values, "__getitem__") and hasattr(values, "__len__")
    if isinstance(values, str | bytes | Mapping) or not indexed or not len(values):
        raise ValueError(
            f"{what} must be a sequence with at least one element, got "
            f"{type(values).__name__}. Read a stream into a list, and wrap a single text in one."
        )
    return values


def _split(pair: Any) -> tuple[str, str]:
    if isinstance(pair, str | bytes) or not hasattr(pair, "__len__") or len(pair) != 2:
        raise ValueError(
            f"A pair must be a source and a target, got {pair!r:.60}. "
            "Pass (source, target) tuples."
        )
    source, target = pair
    return as_text(source), as_text(target)


def _landmark(corpus: Corpus, y: NDArray[Any], seed: int, budget: Budget) -> dict[str, float]:
    # Imported here, for scikit-learn takes most of a second and many studies need none of it.
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.naive_bayes import MultinomialNB

    rng = np.random.default_rng([seed, 2])
    rows = draw(len(y), _MAX_LANDMARKED, rng)
    columns = np.array([_hash(word) for word in corpus.vocabulary], dtype=np.int64)
    cells = (corpus.document, columns[corpus.tokens]) if len(corpus.tokens) else ([], [])
    counts = csr_matrix((np.ones(len(corpus.tokens)), cells), shape=(len(y), _COLUMNS))
    counts = counts[rows]
    # Of the sample as a whole: how often words occur says nothing of the labels.
    weighted = TfidfTransformer().fit_transform(counts)
    if is_numeric(y):
        return probe(weighted, y[rows], _regressors(), rng, budget)
    bayes = probe(counts, y[rows], {"naive_bayes": MultinomialNB()}, rng, budget)
    return bayes | probe(weighted, y[rows], _classifiers(), rng, budget)


def _hash(word: str) -> int:
    # Not Python's own hash, which differs between processes.
    return zlib.crc32(word.encode("utf-8", errors="replace")) % _COLUMNS


def _classifiers() -> dict[str, Any]:
    from sklearn.neighbors import KNeighborsClassifier

    return {"nearest_centroid": NearestCentroid(), "one_nn": KNeighborsClassifier(1)}


def _regressors() -> dict[str, Any]:
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor

    return {"one_nn": KNeighborsRegressor(1), "ridge": Ridge(alpha=1.0)}
