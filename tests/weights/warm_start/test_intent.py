"""Nothing is copied, skipped or kept that was not meant, and nothing at all with an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.warm_start.initialize import initialize
from tests.weights.warm_start.toys import copied
from tests.weights.warm_start.toys import network


def unchanged(model: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(
        torch.equal(t.nan_to_num(7), before[n].nan_to_num(7)) for n, t in copied(model).items()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": ["classifer.*"]}, r"No name matches \['classifer.\*'\]. The model has 0.weight"),
        ({"exclude": ["3", "body"]}, r"No name matches \['body'\]"),
        ({"rename": {"encodr.": ""}}, r"rename names \['encodr.'\], which nothing in the check"),
        ({"rename": {"0": "0", "0.weigh": "x"}}, r"rename names \['0.weigh'\]"),
    ],
)
def test_what_matches_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    model = network(seed=2)
    before = copied(model)
    with pytest.raises(ValueError, match=message):
        initialize(model, network(seed=1).state_dict(), **options)
    assert unchanged(model, before)


def test_what_is_skipped_unasked_is_told_before_anything_is_copied() -> None:
    state = copied(network(outputs=5, seed=1)) | {"old.head": torch.zeros(2)}
    model = network(seed=2)
    before = copied(model)
    message = r"3.weight, 3.bias .of another shape.; old.head .missing in the model.\. Name them"
    with pytest.raises(UserWarning, match=message):  # Warnings are errors here.
        initialize(model, state)
    assert unchanged(model, before)
    initialize(model, state, partial="skip")
    assert torch.equal(model[0].weight, state["0.weight"])  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="Not loaded: old.head"):
        initialize(model, state, head=["3"])
    del state["old.head"]
    initialize(model, state, head=["3"])


def test_prefixes_are_added_removed_and_exchanged() -> None:
    class Wrapped(nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.bert = network(seed=seed)

    source, wrapped = network(seed=1), Wrapped(2)
    for prefix in ("bert.", "bert"):
        initialize(wrapped, source.state_dict(), rename={"": prefix}, partial="error")
    assert torch.equal(wrapped.bert[0].weight, source[0].weight)  # type: ignore[arg-type]
    initialize(network(seed=3), wrapped.state_dict(), rename={"bert.": ""}, partial="error")
    state = {f"enc.{n}": t for n, t in source.state_dict().items()}
    for rename in ({"enc.": "bert."}, {"enc": "bert"}, {"enc": "bert."}):
        initialize(Wrapped(4), state, rename=rename, partial="error")
    mixed = {"": "bert.", "enc.": "bert."}
    assert initialize(Wrapped(4), state, rename=mixed, partial="error").share == 1.0


def low(tensor: Tensor) -> nn.Module:
    """A model with one more tensor than the network, of a lower precision."""
    model = network(seed=2)
    model.register_buffer("last", tensor)
    return model


@pytest.mark.parametrize(
    ("own", "values"),
    [
        (torch.zeros(2, dtype=torch.float16), torch.tensor([1.0, 1e6])),
        (torch.zeros(2, dtype=torch.float8_e4m3fn), torch.tensor([1.0, 1e4])),
        (torch.zeros(2, dtype=torch.float8_e5m2), torch.tensor([1.0, torch.nan])),
        (torch.zeros(2), torch.tensor([1.0, torch.inf]).to_sparse()),
        (torch.zeros(2), torch.tensor([1.0, torch.nan]).to(torch.float8_e5m2)),
        (torch.tensor([-torch.inf, 0.0]), torch.tensor([0.0, -torch.inf])),
        (torch.tensor([-torch.inf, 0.0]), torch.tensor([torch.inf, 0.0])),
    ],
)
def test_nothing_is_copied_if_a_number_would_not_be_finite(own: Tensor, values: Tensor) -> None:
    model = low(own.clone())
    before = copied(model)
    state = copied(network(seed=1)) | {"last": values}
    with pytest.raises(ValueError, match="finite, got NaN or infinity in 'last'.* nothing was"):
        initialize(model, state)
    same = [torch.equal(t.float(), before[n].float()) for n, t in copied(model).items()]
    assert all(same)


def test_other_precisions_and_layouts_are_copied() -> None:
    for own, values in (
        (torch.zeros(2, dtype=torch.float8_e4m3fn), torch.tensor([1.0, -2.0])),
        (torch.zeros(2), torch.tensor([1.0, -2.0]).to_sparse()),
        (torch.zeros(2).to_sparse(), torch.tensor([1.0, -2.0]).to_sparse()),
    ):
        model = low(own)
        initialize(model, copied(network(seed=1)) | {"last": values})
        last = model.last.to_dense() if model.last.layout == torch.sparse_coo else model.last  # type: ignore[operator,union-attr]
        assert last.float().tolist() == [1.0, -2.0]  # type: ignore[operator]


def test_an_infinite_mask_is_no_divergence() -> None:
    def masked(seed: int) -> nn.Module:
        model = network(seed=seed)
        model.register_buffer("mask", torch.triu(torch.full((4, 4), -torch.inf), 1))
        return model

    source, model = masked(1), masked(2)
    assert initialize(model, Checkpoint.from_model(source)).share == 1.0
    assert torch.equal(model[0].weight, source[0].weight)  # type: ignore[index]


def test_an_expanded_tensor_takes_what_is_expanded_alike() -> None:
    model = low(torch.zeros(2, 1).expand(2, 3))
    good = copied(network(seed=1)) | {"last": torch.tensor([[1.0] * 3, [2.0] * 3])}
    initialize(model, good)
    assert model.last.tolist() == [[1.0] * 3, [2.0] * 3]  # type: ignore[operator]
    before = copied(model)
    bad = copied(network(seed=3)) | {"last": torch.arange(6.0).reshape(2, 3)}
    with pytest.raises(ValueError, match="'last' is expanded in the model"):
        initialize(model, bad)
    assert unchanged(model, before)


@pytest.mark.parametrize(
    ("lazy", "source", "shape"),
    [
        (lambda: nn.LazyLinear(10), lambda: nn.Linear(4, 5), r"lazy (10, ?)"),
        (lambda: nn.LazyConv2d(6, 3), lambda: nn.Conv2d(2, 4, 3), "lazy (6, ?, 3, 3)"),
        (lambda: nn.LazyConv2d(4, 3), lambda: nn.Conv2d(2, 4, 5), "lazy (4, ?, 3, 3)"),
        (
            lambda: nn.LazyConvTranspose1d(6, 3),
            lambda: nn.ConvTranspose1d(2, 4, 3),
            "lazy (?, 6, 3)",
        ),
    ],
)
def test_a_lazy_layer_keeps_the_outputs_it_was_made_for(
    lazy: Callable[[], nn.Module], source: Callable[[], nn.Module], shape: str
) -> None:
    model = nn.Sequential(lazy())
    state = {f"0.{name}": tensor for name, tensor in source().state_dict().items()}
    report = initialize(model, state, least=0.0, partial="skip")
    assert shape in {m.model for m in report.mismatched} and not report.loaded
    assert model[0].has_uninitialized_params()  # type: ignore[operator]


def test_torchs_own_names_of_older_versions_are_read() -> None:
    """Its weight normalisation and batch normalisation had other names and no counter."""
    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.Linear(3, 2))
    new = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), nn.BatchNorm1d(2), nn.Linear(2, 1)
    )
    norm, linear = nn.BatchNorm1d(2), nn.Linear(2, 1)
    nn.init.constant_(norm.running_mean, 3.0)  # type: ignore[arg-type]
    state = {f"0.{n}": t for n, t in old.state_dict().items()}
    state |= {f"1.{n}": t for n, t in norm.state_dict().items() if n != "num_batches_tracked"}
    state |= {f"2.{n}": t for n, t in linear.state_dict().items()}
    assert "0.weight_g" in state
    report = initialize(new, state, partial="error")
    assert report.share == 1.0
    x = torch.randn(4, 3)
    torch.testing.assert_close(new[0](x), old(x))
    assert new[1].running_mean.tolist() == [3.0, 3.0]  # type: ignore[operator,union-attr]
    report = initialize(new, {"2.weight": state["2.weight"]}, least=0.0, partial="skip")
    assert report.loaded == ("2.weight",)  # A counter is no sign of a norm in the checkpoint.


@pytest.mark.parametrize("option", ["exclude", "head"])
def test_an_excluded_name_that_the_checkpoint_alone_has_is_no_error(option: str) -> None:
    source, model = network(seed=1), network(seed=2)
    options: dict[str, Any] = {"partial": "error", option: ["old"]}
    report = initialize(model, {**source.state_dict(), "old.bias": torch.ones(3)}, **options)
    assert report.left_out == ("old.bias",) and report.unexpected == ()
    assert report.share == 1.0 and unchanged(model, copied(source))
    before, both = copied(model), {"old.bias": torch.ones(3), "new.bias": torch.ones(3)}
    with pytest.raises(ValueError, match="unexpected  new.bias"):
        initialize(model, {**network(seed=3).state_dict(), **both}, **options)
    assert unchanged(model, before)


def test_extra_state_is_given_to_the_module_of_its_name_or_nothing_is() -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.scale: Any = 1.0

        def get_extra_state(self) -> Any:
            return {"scale": self.scale}

        def set_extra_state(self, state: Any) -> None:
            self.scale = state["scale"]

    source, model = nn.Sequential(Scaled(), Scaled()), nn.Sequential(Scaled(), Scaled())
    source[0].scale, source[1].scale = 4.0, 5.0
    initialize(model, source.state_dict(), exclude=["1"])
    assert (model[0].scale, model[1].scale) == (4.0, 1.0)
    initialize(model, Checkpoint.from_model(source), partial="error")
    assert model[1].scale == 5.0
    state = source.state_dict() | {"0._extra_state": {"scale": 9.0}, "1._extra_state": {}}
    before = {n: t.clone() for n, t in model.state_dict().items() if isinstance(t, Tensor)}
    nn.init.zeros_(source[0].weight)
    with pytest.raises(ValueError, match="'1' refuses its extra state: .*scale"):
        initialize(model, state)
    assert model[0].scale == 4.0 and torch.equal(model[0].weight, before["0.weight"])
