from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.warm_start.initialize import initialize
from tests.weights.warm_start.toys import copied
from tests.weights.warm_start.toys import network


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
    with pytest.warns(UserWarning, match=r"Not loaded: 3.weight, 3.bias .of another shape.. Name"):
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
    report = initialize(model, state, rename=swapped, least=0.0, partial="skip")
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
    report = initialize(network(seed=2), state, partial="skip")
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
    report = initialize(model, state, partial="skip")
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
