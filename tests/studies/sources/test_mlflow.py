"""A real MLflow store in SQLite: plain runs, children of runs, and Optuna's studies in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
import pytest
import sqlalchemy

from optuna_meta.studies.prior import Prior


mlflow = pytest.importorskip("mlflow", reason="MLflow is an extra: pip install mlflow-skinny")
# MLflow's own ways, which are not this library's to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
    pytest.mark.filterwarnings("ignore:::mlflow"),
]

RANGES = {
    "x": FloatDistribution(1e-3, 1.0, log=True),
    "kind": CategoricalDistribution(["a", None, 1]),
}


def log(client: Any, experiment: str, params: Any, metrics: Any, **rest: Any) -> str:
    """Write a run, as any training script would."""
    run = client.create_run(experiment, tags=rest.get("tags"), run_name=rest.get("name"))
    for name, value in params.items():
        client.log_param(run.info.run_id, name, value)
    for name, value in metrics.items():
        client.log_metric(run.info.run_id, name, value)
    client.set_terminated(run.info.run_id, rest.get("status", "FINISHED"))
    return str(run.info.run_id)


def fill_plain(client: Any) -> None:
    experiment = client.create_experiment("plain")
    for i in range(6):
        params = {"lr": 10.0**-i, "features": ["sqrt", 0.5][i % 2], "epochs": 5, "bias": i > 2}
        log(client, experiment, params, {"loss": float(i)})
    log(
        client,
        experiment,
        {"lr": 1.0, "features": "sqrt", "epochs": 5, "bias": False},
        {"loss": 0},
    )
    log(client, experiment, {"lr": 0.5}, {"loss": 9.0}, status="FAILED")
    log(client, experiment, {"lr": 0.5}, {"loss": 9.0}, status="RUNNING")


def fill_nested(client: Any) -> None:
    experiment = client.create_experiment("nested")
    for name in ("iris", "wine"):
        parent = log(client, experiment, {"best_lr": 0.1}, {"loss": 0.0}, name=name)
        for i in range(4):
            tags = {"mlflow.parentRunId": parent}
            log(client, experiment, {"lr": 0.1 * (i + 1)}, {"loss": i + 0.5}, tags=tags)


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 1e-3, 1.0, log=True)
    trial.suggest_categorical("kind", ["a", None, 1])
    trial.report(x, 7)
    if trial.number == 2:
        raise optuna.TrialPruned
    return x


def fill_optuna(client: Any, uri: str) -> None:
    """MLflow's own storage finds its server by a global address."""
    from mlflow.optuna.storage import MlflowStorage

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    experiment = client.create_experiment("optuna")
    storage = MlflowStorage(experiment, batch_size_threshold=1)
    for name in ("one", "broken"):
        study = optuna.create_study(
            storage=storage, study_name=name, sampler=optuna.samplers.RandomSampler(seed=0)
        )
        study.optimize(objective, n_trials=5)
    with pytest.raises(KeyError):  # Of MLflow 3: trials, too, are taken for studies.
        storage.get_all_studies()
    storage.flush_all_batches()
    parent = storage.get_study_id_from_name("broken")
    for run in client.search_runs([experiment], f"tags.mlflow.parentRunId='{parent}'"):
        client.set_tag(run.info.run_id, "param_directions", "{cut")
    mlflow.set_tracking_uri(before)


def fill_callback(client: Any) -> None:
    """What `optuna_integration.MLflowCallback` writes."""
    experiment = client.create_experiment("callback")
    for i, x in enumerate([0.9, 0.01, 0.3, 0.2]):
        tags = {"number": str(i), "direction": "MAXIMIZE", "state": "COMPLETE"}
        tags |= {f"{name}_distribution": str(d) for name, d in RANGES.items()}
        log(client, experiment, {"x": x, "kind": [None, 1, "a", "a"][i]}, {"value": x}, tags=tags)


def write_lazily(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # Else half a minute is waited for the disk.


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", write_lazily)
    client = mlflow.MlflowClient(tracking_uri=uri)
    fill_plain(client)
    fill_nested(client)
    fill_optuna(client, uri)
    fill_callback(client)
    sqlalchemy.event.remove(sqlalchemy.engine.Engine, "connect", write_lazily)
    return uri


def configurations(prior: Prior, name: str) -> list[dict[str, Any]]:
    task = prior.tasks[prior.names.index(name)]
    return [prior.space.params(row) for row in task.rows]


def test_plain_runs_are_trials_once_each(uri: str) -> None:
    prior = Prior.from_mlflow(uri, experiments=["plain"], metric="loss", direction="minimize")
    assert prior.names == ("plain",) and prior.tasks[0].values.tolist() == [0, 1, 2, 3, 4, 5]
    assert prior.space.names == ("bias", "features", "lr")  # Epochs are always five.
    found = configurations(prior, "plain")
    assert [repr(c["features"]) for c in found] == ["'sqrt'", "0.5"] * 3
    assert [c["bias"] for c in found] == [False] * 3 + [True] * 3
    np.testing.assert_allclose([c["lr"] for c in found], 10.0 ** -np.arange(6))


def test_children_are_the_trials_of_their_parent(uri: str) -> None:
    prior = Prior.from_mlflow(uri, experiments="nested", metric="loss", direction="maximize")
    assert prior.names == ("nested/iris", "nested/wine") and prior.space.names == ("lr",)
    assert [t.values.tolist() for t in prior.tasks] == [[-0.5, -1.5, -2.5, -3.5]] * 2


def test_optuna_studies_tell_ranges_directions_and_curves(uri: str) -> None:
    with pytest.warns(UserWarning, match="'optuna/broken' is left out: reading it failed: JSON"):
        prior = Prior.from_mlflow(uri, experiments=["optuna"])
    assert prior.names == ("optuna/one",)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=5)
    wanted = Prior.from_studies([study])
    assert {d.name: d.distribution() for d in prior.space.dimensions} == RANGES
    np.testing.assert_allclose(prior.tasks[0].values, wanted.tasks[0].values)
    assert configurations(prior, "optuna/one") == configurations(wanted, study.study_name)


def test_mlflows_storage_is_read_by_the_names_of_its_studies(uri: str) -> None:
    from mlflow.optuna.storage import MlflowStorage

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.MlflowClient().get_experiment_by_name("optuna")
    storage = MlflowStorage(experiment.experiment_id)
    mlflow.set_tracking_uri(before)
    with pytest.raises(ValueError, match="cannot list its studies.*from_mlflow"):
        Prior.from_storage(storage)
    with pytest.warns(UserWarning, match="'broken' is left out: reading it failed"):
        prior = Prior.from_storage(storage, ["one", "broken"])
    wanted = Prior.from_storage(storage, ["one"])
    assert prior.names == ("one",)
    np.testing.assert_array_equal(prior.tasks[0].values, wanted.tasks[0].values)


def test_runs_of_optunas_callback_tell_ranges_and_direction(uri: str) -> None:
    prior = Prior.from_mlflow(uri, experiments=["callback"])
    assert prior.tasks[0].values.tolist() == [-0.9, -0.01, -0.3, -0.2]
    assert {d.name: d.distribution() for d in prior.space.dimensions} == RANGES
    assert [c["kind"] for c in configurations(prior, "callback")] == [None, 1, "a", "a"]


def test_studies_without_the_metric_do_not_stop_the_others(uri: str) -> None:
    with pytest.warns(UserWarning) as told:
        prior = Prior.from_mlflow(uri, metric="loss", direction="minimize")
    assert set(prior.names) == {"plain", "nested/iris", "nested/wine", "optuna/one"}
    texts = [str(warning.message) for warning in told]
    assert any("'callback' is left out: reading it failed: ValueError: no run" in t for t in texts)


@pytest.mark.parametrize("experiments", [None, ["plain", "callback"], ["plain"]])
def test_a_metric_that_no_run_has_is_one_error(uri: str, experiments: list[str] | None) -> None:
    wanted = r"No run has the metric 'lsos' \(did you mean 'loss'\?\); there are \['loss'"
    with pytest.raises(ValueError, match=wanted):
        Prior.from_mlflow(uri, experiments=experiments, metric="lsos", direction="minimize")


@pytest.mark.filterwarnings("ignore:.*'optuna/broken' is left out")
def test_studies_of_optuna_have_their_own_metric(uri: str) -> None:
    assert Prior.from_mlflow(uri, experiments=["optuna"], metric="lsos").names == ("optuna/one",)


def test_metric_and_direction_are_asked_for(uri: str) -> None:
    with pytest.raises(ValueError, match=r"'plain' are: pass metric= \(there are \['loss'\]\)\."):
        Prior.from_mlflow(uri, experiments="plain", direction="minimize")
    with pytest.raises(ValueError, match="are: pass direction='minimize' or 'maximize'"):
        Prior.from_mlflow(uri, experiments="plain", metric="loss")
    with pytest.raises(ValueError, match=r"\['loss'\]\) and direction='minimize' or 'maximize'\."):
        Prior.from_mlflow(uri, experiments=["plain", "nested"])
    with pytest.warns(UserWarning, match=r"metric= must name the value; there are \['loss'\]"):
        prior = Prior.from_mlflow(uri, experiments=["plain", "callback"])
    assert prior.names == ("callback",)
    with pytest.raises(ValueError, match=r"no experiment \['plane'\]; it has \['Default', 'call"):
        Prior.from_mlflow(uri, experiments=["plane"])


def test_more_runs_than_a_page_are_read(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optuna_meta.studies.sources.mlflow._PAGE", 2)
    prior = Prior.from_mlflow(uri, experiments=["plain"], metric="loss", direction="minimize")
    assert prior.tasks[0].values.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_misspelt_path_makes_no_store(tmp_path: Path) -> None:
    for wrong in (f"sqlite:///{tmp_path / 'none.db'}", str(tmp_path / "mlruns")):
        with pytest.raises(ValueError, match="No (SQLite file|folder) at"):
            Prior.from_mlflow(wrong, metric="loss", direction="minimize")
    assert not list(tmp_path.iterdir())


def test_credentials_are_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ConnectionError, match=r"MLflow at 'http://\*\*\*@localhost:9'") as raised:
        Prior.from_mlflow("http://me:hunter2@localhost:9", metric="loss", direction="minimize")
    assert raised.value.__suppress_context__ and "hunter2" not in str(raised.value)


def test_ranges_come_as_optuna_writes_them() -> None:
    assert json.loads(json.dumps({n: str(d) for n, d in RANGES.items()})) == {
        "x": "FloatDistribution(high=1.0, log=True, low=0.001, step=None)",
        "kind": "CategoricalDistribution(choices=('a', None, 1))",
    }
