import optuna
import pytest

from benchmarks.methods.methods import METHODS
from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers import hub


SOURCE = """
import optuna


class MetaLearnTPESampler(optuna.samplers.RandomSampler):
    def __init__(self, *, source_studies, seed):
        super().__init__(seed=seed)
        self.given = (source_studies, seed)
"""


@pytest.fixture
def registry(tmp_path):
    pytest.importorskip("optunahub")
    folder = tmp_path / "package" / "samplers" / "meta_learn_tpe"
    folder.mkdir(parents=True)
    (folder / "sampler.py").write_text(SOURCE)
    (folder / "__init__.py").write_text("from .sampler import MetaLearnTPESampler\n")
    return tmp_path


@pytest.fixture
def prior():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return study


def test_the_sampler_is_that_of_the_registry(registry, prior, monkeypatch):
    monkeypatch.setenv(hub.VARIABLE, str(registry))
    monkeypatch.setattr(optuna, "__version__", "4.9.0")
    sampler = METHODS["meta-learn-tpe"].build([prior], 2**32 - 1).sampler
    studies, seed = sampler.given
    assert studies == [prior]
    assert 0 <= seed < 2**31


def test_a_folder_without_the_package_is_said(tmp_path):
    pytest.importorskip("optunahub")
    with pytest.raises(Unsupported, match="samplers/meta_learn_tpe in .*; it is not there"):
        hub.load_sampler(tmp_path)


def test_what_it_needs_is_said(prior, monkeypatch):
    with pytest.raises(Unsupported, match="at least one prior study"):
        hub.build([], seed=0)
    monkeypatch.setattr(optuna, "__version__", "5.0.0")
    with pytest.raises(Unsupported, match="Optuna 4 for meta_learn_tpe, got 5.0.0"):
        hub.build([prior], seed=0)
    monkeypatch.setattr(optuna, "__version__", "4.9.0")
    monkeypatch.delenv(hub.VARIABLE, raising=False)
    with pytest.raises(Unsupported, match="OPTUNAHUB_REGISTRY, which is not set"):
        hub.build([prior], seed=0)
