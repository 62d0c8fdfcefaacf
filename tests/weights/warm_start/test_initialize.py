from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.merging.average import average
from optuna_meta.weights.store.store import CheckpointStore
from optuna_meta.weights.warm_start.embedding_rows import EmbeddingRows
from optuna_meta.weights.warm_start.initialize import initialize
from optuna_meta.weights.warm_start.report import record_lineage
from optuna_meta.weights.warm_start.report import WEIGHTS_FROM_KEY


def network(width: int = 8, outputs: int = 3, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, outputs)
    )


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.last = nn.Linear(4, 4, bias=False)
        self.last.weight = self.first.weight


def test_the_same_architecture_is_loaded_whole() -> None:
    source, model = network(seed=1), network(seed=2)
    source(torch.randn(16, 4))
    identities = [id(p) for p in model.parameters()]
    report = initialize(model, source.state_dict(), partial="error")
    assert same(copied(model), copied(source))
    assert report.share == report.share_of_wanted == 1.0
    assert set(report.loaded) == set(source.state_dict())
    assert report.n_parameters == sum(p.numel() for p in model.parameters())
    assert identities == [id(p) for p in model.parameters()]
    assert model[1].num_batches_tracked.item() == 1  # type: ignore[union-attr,operator]


def test_the_checkpoint_is_not_shared_with_the_model() -> None:
    state = copied(network(seed=1))
    model = network(seed=2)
    initialize(model, state)
    with torch.no_grad():
        model[0].weight.zero_()  # type: ignore[union-attr,operator]
    assert state["0.weight"].abs().sum() > 0


def test_no_random_number_is_drawn() -> None:
    model = network()
    before = torch.get_rng_state()
    initialize(model, network(seed=1).state_dict())
    torch.manual_seed(1)
    after_network = torch.get_rng_state()
    torch.set_rng_state(before)
    initialize(model, copied(model))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(after_network, before)


def test_another_head_keeps_its_own_initialisation() -> None:
    source, model = network(outputs=5, seed=1), network(outputs=3, seed=2)
    before = copied(model)
    report = initialize(model, source.state_dict())
    assert [m.name for m in report.mismatched] == ["3.weight", "3.bias"]
    assert report.mismatched[0][1:] == ("(5, 8) float32", "(3, 8) float32")
    assert torch.equal(model.state_dict()["3.weight"], before["3.weight"])
    assert torch.equal(model.state_dict()["0.weight"], source.state_dict()["0.weight"])
    assert report.n_loaded == 4 * 8 + 8 + 16
    assert report.share == pytest.approx(56 / 83)
    with pytest.raises(ValueError, match="(?s)must have the model's names.*mismatched  3.weight"):
        initialize(model, source.state_dict(), partial="error")


def test_overlap_copies_exact_blocks() -> None:
    source, model = network(width=6, seed=1), network(width=8, seed=2)
    before = copied(model)
    report = initialize(model, source.state_dict(), partial="overlap")
    for name, tensor in model.state_dict().items():
        theirs = source.state_dict()[name]
        block = tuple(slice(size) for size in theirs.shape)
        expected = before[name].clone()
        expected[block] = theirs
        assert torch.equal(tensor, expected), name
    n_copied = sum(p.numel() for p in source.parameters())
    assert report.n_loaded == n_copied and not report.mismatched
    narrow = network(width=5, seed=3)
    initialize(narrow, source.state_dict(), partial="overlap")
    assert torch.equal(narrow.state_dict()["0.weight"], source.state_dict()["0.weight"][:5])


def test_what_is_left_out_does_not_count_against_the_checkpoint() -> None:
    source, model = network(seed=1), network(seed=2)
    before = copied(model)
    report = initialize(model, source.state_dict(), exclude=["0"], head=["3.*"], least=1.0)
    assert set(report.left_out) == {"0.weight", "0.bias", "3.weight", "3.bias"}
    assert torch.equal(model.state_dict()["3.weight"], before["3.weight"])
    assert report.share_of_wanted == 1.0 and report.n_loaded == 16


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_are_seen_through(prefix: str) -> None:
    source, model = network(seed=1), network(seed=2)
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    assert initialize(model, state, partial="error").share == 1.0
    wrapped = nn.DataParallel(network(seed=3))
    assert initialize(wrapped, source.state_dict(), partial="error").share == 1.0
    assert same(copied(wrapped.module), copied(source))
    inner = network(seed=4)
    compiled = torch.compile(inner, backend="eager")
    assert initialize(compiled, source.state_dict(), partial="error").share == 1.0
    assert same(copied(inner), copied(source))


def test_averaged_models_are_sources() -> None:
    source, model = network(seed=1), network(seed=2)
    averaged = torch.optim.swa_utils.AveragedModel(source)
    averaged.update_parameters(source)
    initialize(model, averaged.state_dict(), partial="error")
    assert same(copied(model), copied(source))


def test_names_are_renamed() -> None:
    source, model = network(seed=1), network(seed=2)
    state = {f"encoder.{name}": tensor for name, tensor in source.state_dict().items()}
    with pytest.raises(ValueError, match="looks like another architecture"):
        initialize(model, state)
    for rename in ({"encoder": ""}, {"encoder.": ""}, lambda name: name.partition(".")[2]):
        assert initialize(model, state, rename=rename, partial="error").share == 1.0
    swapped = {"encoder.0": "other", "encoder": ""}
    report = initialize(model, state, rename=swapped, least=0.0)
    assert report.unexpected == ("other.weight", "other.bias")
    assert report.missing == ("0.weight", "0.bias")
    with pytest.raises(ValueError, match="Two of the checkpoint's names become 'x'"):
        initialize(model, state, rename=lambda _: "x")


def test_tied_weights_need_one_name_and_count_once() -> None:
    weight = torch.randn(4, 4)
    for names in (["first.weight"], ["last.weight"], ["first.weight", "last.weight"]):
        model = Tied()
        report = initialize(model, dict.fromkeys(names, weight), partial="error")
        assert torch.equal(model.last.weight, weight) and model.last.weight is model.first.weight
        assert report.n_loaded == report.n_parameters == 16
    with pytest.raises(ValueError, match="one tensor in the model and two that differ"):
        initialize(Tied(), {"first.weight": weight, "last.weight": weight + 1})


def test_other_precisions_are_cast_and_reported() -> None:
    source, model = network(seed=1), network(seed=2)
    half = {
        name: tensor.bfloat16() if tensor.is_floating_point() else tensor
        for name, tensor in source.state_dict().items()
    }
    report = initialize(model, half)
    assert torch.equal(model.state_dict()["0.weight"], half["0.weight"].float())
    assert len(report.cast) == 8 and report.cast[0][1:] == ("(8, 4) bfloat16", "(8, 4) float32")


def test_whole_numbers_do_not_become_weights() -> None:
    state = copied(network(seed=1)) | {"0.bias": torch.arange(8)}
    report = initialize(network(seed=2), state)
    assert [m.name for m in report.mismatched] == ["0.bias"]


def test_lazy_modules_take_the_shape_of_the_checkpoint() -> None:
    source = network(seed=1)
    model = nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(3))
    report = initialize(model, source.state_dict(), partial="error")
    assert report.share == 1.0 and report.n_parameters == sum(
        p.numel() for p in source.parameters()
    )
    x = torch.randn(5, 4)
    torch.testing.assert_close(model.eval()(x), source.eval()(x))


def test_a_lazy_module_that_gets_too_little_stays_lazy() -> None:
    state = copied(network(seed=1))
    del state["3.bias"]
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.LazyLinear(3))
    report = initialize(model, state)
    assert set(report.missing) == {"3.bias", "3.weight"}
    assert model(torch.randn(2, 4)).shape == (2, 3)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_nothing_is_copied_where_an_error_is_raised(number: float) -> None:
    model = network(seed=2)
    before = copied(model)
    state = copied(network(seed=1))
    state["3.bias"][1] = number
    with pytest.raises(ValueError, match="must be finite, got NaN or infinity in '3.bias'"):
        initialize(model, state)
    with pytest.raises(ValueError, match="At least 50%.*nothing was loaded"):
        initialize(model, {"elsewhere": torch.zeros(3)})
    assert same(copied(model), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partial": "strict"}, "partial must be one of"),
        ({"exclude": "head"}, "Patterns must be several"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        initialize(network(), network().state_dict(), **options)


def test_an_optimiser_made_before_stays_valid() -> None:
    source, model = network(seed=1), network(seed=2)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    initialize(model, source.state_dict())
    model(torch.randn(8, 4)).sum().backward()
    optimiser.step()
    assert not torch.equal(model.state_dict()["0.weight"], source.state_dict()["0.weight"])


def test_the_table_names_everything() -> None:
    source, model = network(outputs=5, seed=1), network(seed=2)
    state = copied(source) | {"extra": torch.zeros(1)}
    del state["1.bias"]
    text = str(initialize(model, state))
    assert text.splitlines()[0] == "48 of 83 parameters loaded (57.8%)"
    assert "mismatched  3.weight               (5, 8) float32  (3, 8) float32" in text
    assert "missing     1.bias" in text and "unexpected  extra" in text


def test_the_trial_records_where_its_weights_came_from() -> None:
    source = Checkpoint.from_model(network(seed=1), study="earlier", trial=7)
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        record_lineage(trial, initialize(network(seed=2), source))
        return 0.0

    study.optimize(objective, n_trials=1)
    record = study.trials[0].user_attrs[WEIGHTS_FROM_KEY]
    assert record["sources"] == [{"study": "earlier", "trial": 7, "sha256": "", "weight": 1.0}]
    assert record["share"] == 1.0 and record["missing"] == 0


def test_the_record_stays_small() -> None:
    state = {f"{'very_long_name' * 9}_{i}": torch.zeros(1) for i in range(300)}
    report = initialize(nn.Linear(1, 1), state | {"weight": torch.zeros(1, 1)})
    assert len(json.dumps(report.summary())) < 2000
    assert report.summary()["unexpected"] == 300


def test_lineage_goes_from_study_to_study(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "artifacts")
    earlier = [optuna.create_study(study_name=name) for name in ("first", "second")]
    for study in earlier:
        study.optimize(lambda trial: float(store.save(trial, network(seed=1)).trial), n_trials=1)
    loaded = [store.load(store.records(study)[0]) for study in earlier]
    later = optuna.create_study(study_name="third")

    def objective(trial: optuna.Trial) -> float:
        model = network(seed=2)
        report = initialize(model, average(loaded, [3.0, 1.0]))
        record_lineage(trial, report)
        store.save(trial, model)
        return report.share

    later.optimize(objective, n_trials=1)
    sources = later.trials[0].user_attrs[WEIGHTS_FROM_KEY]["sources"]
    assert [(s["study"], s["trial"], s["weight"]) for s in sources] == [
        ("first", 0, 0.75),
        ("second", 0, 0.25),
    ]
    assert all(len(s["sha256"]) == 64 for s in sources)
    report = initialize(network(seed=3), store.load(store.records(later)[0]))
    assert [origin.study for origin in report.origins] == ["third"]


def test_embeddings_go_by_item_and_not_by_row() -> None:
    model = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 1))
    before = copied(model)
    state = {"0.weight": torch.arange(15.0).reshape(5, 3)} | {
        name: before[name] for name in ("1.weight", "1.bias")
    }
    items = EmbeddingRows(["a", "b", "c", "d", "e"], ["x", "e", "b", "y"])
    report = initialize(model, state, rows={"0.weight": items})
    found = model.state_dict()["0.weight"]
    assert torch.equal(found[1], state["0.weight"][4])
    assert torch.equal(found[2], state["0.weight"][1])
    assert torch.equal(found[[0, 3]], before["0.weight"][[0, 3]])
    assert report.n_loaded == 2 * 3 + 4 and report.overlapped[0].name == "0.weight"
    with pytest.raises(ValueError, match=r"5 rows in the checkpoint, got 1 items, 1 of them"):
        initialize(model, state, rows={"0.weight": EmbeddingRows(["a"], ["a"])})
    with pytest.raises(ValueError, match="4 rows in the model, got 4 items, 3 of them different"):
        initialize(model, state, rows={"0.weight": EmbeddingRows("abcde", "xxby")})
    with pytest.raises(ValueError, match=r"rows names \['users'\]"):
        initialize(model, state, rows={"users": items})
