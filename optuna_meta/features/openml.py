"""The qualities that OpenML publishes of its data sets, under the names of :mod:`.tabular`.

Only those of the same definition. OpenML counts the response among the attributes, and says of a
regression that it has no class. Its means of skewness or kurtosis are of other estimators, its
landmarkers have other folds: they stay out.

Vanschoren, van Rijn, Bischl and Torgo (2013), "OpenML: networked science in machine learning".
"""

from __future__ import annotations

from collections.abc import Mapping
import math

from optuna_meta.features.record import clean_meta_features
import optuna_meta.features.stats as stats


__all__ = ["openml_meta_features", "QUALITIES"]

# OpenML's names of the qualities that are read.
QUALITIES = (
    *("NumberOfInstances", "NumberOfFeatures"),
    *("NumberOfNumericFeatures", "NumberOfSymbolicFeatures"),
    *("NumberOfMissingValues", "NumberOfInstancesWithMissingValues"),
    *("NumberOfClasses", "ClassEntropy", "MinorityClassSize", "MajorityClassSize"),
)


def openml_meta_features(qualities: Mapping[str, object]) -> dict[str, float]:
    """Return the meta-features that a data set's OpenML qualities tell, NaN where they do not.

    The data set has one response, and no row lacks it. They mix with what is extracted:
    ``extract_meta_features(X, y, extra=[openml_meta_features(qualities)])``.

    Args:
        qualities: A number, or None where it is missing, by OpenML's name of the quality, such as
            "NumberOfInstances". Others than :data:`QUALITIES` are passed over.

    Raises:
        ValueError: If one of those is no finite number.
    """
    known = clean_meta_features({name: qualities.get(name) for name in QUALITIES})
    nr_inst, nr_attr = known["NumberOfInstances"], known["NumberOfFeatures"] - 1.0
    nr_class = known["NumberOfClasses"]
    classes = math.nan if math.isnan(nr_class) else float(nr_class > 0)
    # Multiplied with this, what is said of classes is missing of a regression.
    if_classes = 1.0 if classes == 1.0 else math.nan
    return {
        "nr_inst": nr_inst,
        "nr_attr": nr_attr,
        "nr_num": known["NumberOfNumericFeatures"] - (1.0 - classes),
        "nr_cat": known["NumberOfSymbolicFeatures"] - classes,
        "attr_to_inst": stats.ratio(nr_attr, nr_inst),
        "missing_ratio": stats.ratio(known["NumberOfMissingValues"], nr_inst * nr_attr),
        "inst_missing_ratio": stats.ratio(known["NumberOfInstancesWithMissingValues"], nr_inst),
        "is_regression": 1.0 - classes,
        "nr_class": nr_class * if_classes,
        "freq_class.min": stats.ratio(known["MinorityClassSize"], nr_inst) * if_classes,
        "freq_class.max": stats.ratio(known["MajorityClassSize"], nr_inst) * if_classes,
        "class_ent": known["ClassEntropy"] * if_classes,
    }
