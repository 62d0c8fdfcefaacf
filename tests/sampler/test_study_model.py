"""What a sampler makes of a study, for others to read."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from optuna_meta.sampler.sampler_of import sampler_of
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.visualization.studies import bowl_study


def test_a_model_has_the_studys_trials_and_its_prior_studies() -> None:
    study = bowl_study()
    model = sampler_of(study).model_of(study)
    np.testing.assert_allclose(np.sort(model.values()), sorted(t.value for t in study.trials))
    assert model.transfer().fitted.task_names == tuple(f"bowl {i}" for i in range(5))
    assert 0.0 < model.posterior().trust < 1.0


def test_to_ask_for_it_changes_no_suggestion() -> None:
    def params(is_asked: bool) -> list[dict[str, object]]:
        sampler = meta_sampler(bowl_prior())
        study = optuna.create_study(sampler=sampler)
        for _ in range(4):
            study.optimize(bowl(), n_trials=1)
            if is_asked:
                sampler.model_of(study).posterior()
        return [trial.params for trial in study.trials]

    assert params(True) == params(False)


def test_only_a_meta_sampler_has_one() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
    with pytest.raises(ValueError, match="needs the MetaSampler .* got RandomSampler"):
        sampler_of(study)
    assert sampler_of(study, meta_sampler(None)) is not None
