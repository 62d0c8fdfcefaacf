"""The whole path on each device that there is, in full and in mixed precision."""

from __future__ import annotations

from collections.abc import Mapping
import copy
from pathlib import Path

import optuna
import pytest
import torch
from torch import nn

from optuna_meta.weights import align
from optuna_meta.weights import average
from optuna_meta.weights import BestWeights
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import EmbeddingRows
from optuna_meta.weights import Ensemble
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights import greedy_weights
from optuna_meta.weights import initialize
from optuna_meta.weights import joint_init
from optuna_meta.weights import L2SP
from optuna_meta.weights import learn_weights
from optuna_meta.weights import NewTask
from optuna_meta.weights import predict_all
from optuna_meta.weights import rank_checkpoints
from optuna_meta.weights import refresh_statistics
from optuna_meta.weights import ShortlistThenTrain
from optuna_meta.weights import ShortTraining
from optuna_meta.weights import shrink_and_perturb
from optuna_meta.weights import simplex_weights
from tests.weights.toys import store_in


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CPU = torch.device("cpu")
DEVICES = [CPU, pytest.param(torch.device("cuda"), marks=GPU)]
LOSS = nn.functional.cross_entropy
Data = tuple[torch.Tensor, torch.Tensor]


def build() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(),
        nn.Linear(16, 3),
    )  # fmt: skip


def examples(device: torch.device, n: int, seed: int) -> Data:
    inputs = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    return inputs.to(device), inputs[:, :3].argmax(1).to(device)


def accuracy(outputs: torch.Tensor, classes: torch.Tensor) -> float:
    return float((outputs.argmax(-1) == classes).float().mean())


def trained(device: torch.device, seed: int = 0) -> nn.Sequential:
    """In mixed precision."""
    torch.manual_seed(seed)
    model, (inputs, classes) = build().to(device), examples(device, 400, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16):
            loss = LOSS(model(inputs), classes)
        torch.autograd.backward(loss)
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("device", DEVICES)
def test_a_checkpoint_is_kept_chosen_and_loaded(device: torch.device, tmp_path: Path) -> None:
    store, study, model = store_in(tmp_path), optuna.create_study(), trained(device)
    trial = study.ask()
    record = store.save(trial, model, value=1.0)
    study.tell(trial, 1.0)
    there = store.load(record, device=device)
    assert {t.device.type for t in there.state.values()} == {device.type}
    for name, tensor in model.state_dict().items():
        assert torch.equal(there.state[name], tensor)
    inputs, classes = examples(device, 40, 2)
    strategy = ShortlistThenTrain(short_training=ShortTraining(steps=20, rates=[4e-3]))
    target = NewTask(build, inputs, classes, LOSS, accuracy)
    best = rank_checkpoints(find_checkpoints([study], store), target, strategy=strategy).best
    assert best is not None and best.record == record
    fresh = build().to(device)
    assert initialize(fresh, best.load()).share_of_wanted == 1.0
    assert torch.equal(fresh.eval()(inputs), model(inputs))


@pytest.mark.parametrize("device", DEVICES)
def test_training_goes_on_where_it_stopped(device: torch.device, tmp_path: Path) -> None:
    store, study, model = store_in(tmp_path), optuna.create_study(), trained(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    step(model, optimizer)
    first = study.ask()
    store.save(first, model, value=1.0, optimizer=optimizer)
    study.tell(first, state=optuna.trial.TrialState.FAIL)
    optuna.storages.RetryHeartbeatStaleTrialCallback()(study, study.trials[0])
    again = build().to(device)
    restored = torch.optim.Adam(again.parameters(), lr=0.1)
    assert store.resume(study.ask(), again.eval(), restored) is not None
    step(model, optimizer)
    step(again, restored)
    for ours, theirs in zip(again.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def step(model: nn.Sequential, optimizer: torch.optim.Optimizer) -> None:
    inputs, classes = examples(model[0].weight.device, 40, 2)  # type: ignore[union-attr,arg-type]
    optimizer.zero_grad()
    torch.autograd.backward(LOSS(model(inputs), classes))
    optimizer.step()


@pytest.mark.parametrize("device", DEVICES)
def test_averages_keep_their_device(device: torch.device) -> None:
    first, second = trained(device), trained(device, seed=1)
    inputs, classes = examples(device, 200, 3)
    ours, theirs = Checkpoint.from_model(first, copy=False), Checkpoint.from_model(second)
    lined_up = align(first, ours, theirs)
    assert {tensor.device.type for tensor in lined_up.values()} == {device.type}
    torch.testing.assert_close(
        loaded(lined_up, device)(inputs), first(inputs), atol=1e-4, rtol=1e-4
    )
    model = loaded(average([theirs, ours], align_by=first).state, device)
    refresh_statistics(model, [examples(device, 64, seed)[0] for seed in range(3)])
    assert accuracy(model.eval()(inputs), classes) > 0.6
    shares = learn_weights(
        first, [ours, shrunk(first)], [(inputs, classes)], lambda f, b: LOSS(f(b[0]), b[1])
    )
    assert sum(shares) == pytest.approx(1.0) and shares[0] > 0.5


def loaded(state: Mapping[str, torch.Tensor], device: torch.device) -> nn.Sequential:
    model = build().to(device)
    model.load_state_dict(dict(state))
    return model.eval()


def shrunk(model: nn.Sequential) -> Checkpoint:
    other = copy.deepcopy(model)
    shrink_and_perturb(other, shrink=0.3, perturb=0.0)
    return Checkpoint.from_model(other)


@pytest.mark.parametrize("device", DEVICES)
def test_ensembles_predict_there(device: torch.device) -> None:
    models = [trained(device, seed) for seed in range(2)]
    inputs, classes = examples(device, 100, 3)
    predictions, labels = predict_all(models, [(inputs, classes)])
    assert predictions.device.type == labels.device.type == "cpu"
    for weigh in (greedy_weights, simplex_weights):
        weights = weigh(predictions, labels)
        there = weigh(predictions.to(device), classes)
        assert there == pytest.approx(weights, abs=1e-3)
        ensemble = Ensemble(models, weights)
        assert ensemble.weights.device.type == device.type  # type: ignore[union-attr]
        mixed = torch.tensordot(torch.tensor(weights), predictions, 1)
        torch.testing.assert_close(ensemble(inputs).softmax(-1).cpu(), mixed)


@pytest.mark.parametrize("device", DEVICES)
def test_the_best_weights_come_back_and_the_pull_is_to_the_start(device: torch.device) -> None:
    model = trained(device)
    pull, best, start = L2SP(model), BestWeights(model), Checkpoint.from_model(model)
    best.update(0.0)
    assert pull().item() == 0.0
    shrink_and_perturb(model)
    assert pull().item() > 0.0
    best.update(1.0)
    best.restore()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor.cpu(), start.state[name].cpu())


@pytest.mark.parametrize("device", DEVICES)
def test_random_numbers_go_on_as_if_none_had_been_drawn(device: torch.device) -> None:
    model, other = trained(device), build()
    torch.manual_seed(3)
    expected = torch.rand(3, device=device)
    torch.manual_seed(3)
    shrink_and_perturb(model)
    joint_init(other, [[examples(device, 8, 0)]], lambda f, b: LOSS(f(b[0]), b[1]), steps=2)
    assert torch.equal(torch.rand(3, device=device), expected)


@pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6),
    reason="Optimizers of this torch count their steps on the default device",
)
@pytest.mark.parametrize("default", [torch.device("meta"), *DEVICES[1:]])
def test_another_default_device_changes_nothing(default: torch.device, tmp_path: Path) -> None:
    """As ``torch.set_default_device`` makes it; what is made on ``meta`` would have no values."""
    store, study, first, second = store_in(tmp_path), optuna.create_study(), trained(CPU), build()
    examples_ = examples(CPU, 40, 2)

    def run() -> list[object]:
        trial = study.ask()
        record = store.save(trial, first, value=1.0)
        study.tell(trial, 1.0)
        target = NewTask(lambda: copy.deepcopy(second), *examples_, LOSS, accuracy)
        strategy = ShortlistThenTrain(short_training=ShortTraining(steps=5, rates=[4e-3]))
        ranking = rank_checkpoints([Candidate(record, 1.0, store)], target, strategy=strategy)
        lined_up = align(first, first.state_dict(), second.state_dict())
        predictions, labels = predict_all([first, second], [examples_])
        found = greedy_weights(predictions, labels), simplex_weights(predictions, labels)
        rows = {"0.weight": EmbeddingRows(range(16), range(15, -1, -1))}
        turned = copy.deepcopy(second)
        initialize(turned, store.load(record), rows=rows)
        shrink_and_perturb(turned, seed=1)
        return [
            [start.score for start in ranking.starts],
            {name: tensor.tolist() for name, tensor in lined_up.items()},
            found,
            {name: tensor.tolist() for name, tensor in turned.state_dict().items()},
            Ensemble([first, second], found[1])(examples_[0]).tolist(),
        ]

    expected = run()
    with default:
        assert run() == expected


def test_work_on_the_cpu_leaves_cuda_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that was forked from one that has used it, where it cannot start."""

    def refused() -> None:
        raise RuntimeError("Cannot re-initialize CUDA in forked subprocess.")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda.random, "_lazy_init", refused)
    monkeypatch.setattr(torch.cuda, "init", refused)
    model = build()
    shrink_and_perturb(model)
    joint_init(model, [[examples(CPU, 8, 0)]], lambda f, b: LOSS(f(b[0]), b[1]), steps=1)
    target = NewTask(build, *examples(CPU, 40, 2), LOSS)
    assert (
        rank_checkpoints(
            [], target, strategy=ShortlistThenTrain(short_training=ShortTraining(steps=1))
        ).best
        is None
    )
    with pytest.raises(RuntimeError, match="forked"):
        joint_init(model, [[examples(CPU, 8, 0)]], lambda f, b: LOSS(f(b[0]), b[1]), device="cuda")
