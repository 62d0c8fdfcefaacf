"""Choose among a network and two kinds of boosted trees for a new table, after others.
====================================================================================

The learner is a hyperparameter, whose others depend on it. The prior studies are of twelve tables;
what is learned from: the values and the curves of trials, their seconds, and what the tables are
like. Columns mean something else in each, so that there are no weights to start from; checkpoints
hold what trials predict, of which the ensemble at the end is made. ``README.md`` beside this
program says what to install.
"""

from __future__ import annotations

from examples.common import Application
from examples.common import compare
from examples.common import parse
from examples.tables import model
from examples.tables.data import task


APPLICATION = Application(
    name="tables",
    score="validation log loss",
    directions=["minimize"],
    objective=model.objective,
    features=model.features,
    final=model.final,
)
NEW = "phoneme"
PRIORS = ["breast_cancer", "digits", "banana", "contraceptive", "german", "magic", "ring"]
PRIORS += ["segment", "spambase", "titanic", "vehicle", "vowel"]


def main() -> None:
    options = parse("tables", __doc__)
    new, names = (
        (task("breast_cancer"), ["iris", "wine"]) if options.smoke else (task(NEW), PRIORS)
    )
    priors = [task(name) for name in names]
    unrelated = [task(name, shuffled=True) for name in names[::2]]
    compare(APPLICATION, new, priors, unrelated, options)


if __name__ == "__main__":
    main()
