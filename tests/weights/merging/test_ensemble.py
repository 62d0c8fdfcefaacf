from __future__ import annotations

from itertools import product
from pathlib import Path
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.merging.ensemble import Ensemble
from optuna_meta.weights.merging.ensemble import ensemble_loss
from optuna_meta.weights.merging.ensemble import greedy_weights
from optuna_meta.weights.merging.ensemble import predict_all
from optuna_meta.weights.merging.ensemble import simplex_weights


def members(n: int = 3, outputs: int = 4) -> list[nn.Module]:
    torch.manual_seed(0)
    return [
        nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, outputs)).eval()
        for _ in range(n)
    ]


def predictions(n_models: int = 3, n: int = 40, classes: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(classes, (n,), generator=generator)
    logits = torch.randn(n_models, n, classes, generator=generator)
    logits[:, torch.arange(n), labels] += torch.linspace(0.5, 2.0, n_models)[:, None]
    return logits.softmax(-1), labels


def test_probabilities_are_averaged() -> None:
    models, x = members(), torch.randn(7, 5)
    weights = [0.5, 0.2, 0.3]
    expected = sum(w * m(x).softmax(1) for w, m in zip(weights, models, strict=True))
    mixed = Ensemble(models, [5.0, 2.0, 3.0])(x)
    torch.testing.assert_close(mixed.exp(), expected)
    torch.testing.assert_close(mixed.softmax(1), expected)


def test_values_are_averaged() -> None:
    models, x = members(outputs=1), torch.randn(7, 5)
    expected = (models[0](x) + models[1](x) + models[2](x)) / 3
    torch.testing.assert_close(Ensemble(models, space="value")(x), expected)


def test_classes_may_stand_elsewhere() -> None:
    model = nn.Conv2d(1, 3, 1)
    x = torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(Ensemble([model], dim=1)(x).exp(), model(x).softmax(1))


def test_an_ensemble_of_one_predicts_like_it() -> None:
    model, x = members(1)[0], torch.randn(7, 5)
    torch.testing.assert_close(Ensemble([model])(x), model(x).log_softmax(1))
    assert torch.equal(Ensemble([model], space="value")(x), model(x))


def test_tiny_probabilities_keep_their_order() -> None:
    x = torch.tensor([[0.0, -500.0, -600.0]])
    mixed = Ensemble([nn.Identity(), nn.Identity()])(x)
    assert torch.isfinite(mixed).all() and mixed[0, 1] > mixed[0, 2]


def test_models_of_weight_zero_are_left_out() -> None:
    models = members()
    ensemble = Ensemble(models, [0.0, 1.0, 3.0])
    assert len(ensemble.models) == 2 and ensemble.weights.tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("n", "weights", "space", "message"),
    [
        (0, None, "value", "models, one at least, got none"),
        (2, [1.0], "value", "got 2 models and 1 weights"),
        (2, [1.0, -1.0], "value", "not negative"),
        (2, None, "logits", "space must be 'probability' or 'value'"),
    ],
)
def test_wrong_arguments_are_refused(
    n: int, weights: list[float] | None, space: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Ensemble(members(n), weights, space=space)  # type: ignore[arg-type]


@pytest.mark.parametrize("space", ["probability", "value"])
def test_it_exports(space: str, tmp_path: Path) -> None:
    ensemble, x = Ensemble(members(), [1.0, 2.0, 3.0], space=space).eval(), torch.randn(7, 5)  # type: ignore[arg-type]
    exported = torch.export.export(ensemble, (x,)).module()
    torch.testing.assert_close(exported(x), ensemble(x))
    again = Ensemble(members(), space=space)  # type: ignore[arg-type]
    torch.save(ensemble.state_dict(), tmp_path / "ensemble.pt")
    again.load_state_dict(torch.load(tmp_path / "ensemble.pt", weights_only=True))
    torch.testing.assert_close(again.eval()(x), ensemble(x))


def test_predictions_are_collected_in_order() -> None:
    models, x, y = members(), torch.randn(10, 5), torch.arange(10)
    found, labels = predict_all(iter(models), [(x[:4], y[:4]), (x[4:], y[4:])])
    assert found.shape == (3, 10, 4) and torch.equal(labels, y)
    torch.testing.assert_close(found[1], models[1](x).softmax(1).detach())
    several = nn.Bilinear(5, 5, 2)
    found, _ = predict_all([several], [((x, x), y)], space="value")
    torch.testing.assert_close(found[0], several(x, x).detach())
    assert several.training and not models[1].training
    with pytest.raises(ValueError, match="Pass models and data"):
        predict_all([], [])


def test_ensemble_losses_are_those_of_torch() -> None:
    mixed, labels = predictions(1)
    expected = nn.functional.nll_loss(mixed[0].log(), labels)
    torch.testing.assert_close(ensemble_loss(mixed[0], labels), expected)
    a, b = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(ensemble_loss(a, b), nn.functional.mse_loss(a, b))
    with pytest.raises(ValueError, match="do not belong to labels"):
        ensemble_loss(a[:, None], b)


def test_greedy_selection_equals_brute_force() -> None:
    mixed, labels = predictions()
    wide = mixed.double()
    chosen: list[int] = []
    trajectory = []
    for _ in range(6):
        options = [wide[[*chosen, i]].mean(0) for i in range(3)]
        losses = [float(ensemble_loss(option, labels)) for option in options]
        chosen.append(int(np.argmin(losses)))
        trajectory.append(min(losses))
    size = int(np.argmin(trajectory)) + 1
    expected = np.bincount(chosen[:size], minlength=3) / size
    assert greedy_weights(mixed, labels, size=6) == pytest.approx(tuple(expected))
    assert trajectory[0] == min(float(ensemble_loss(wide[i], labels)) for i in range(3))


def test_equal_models_prefer_the_one_already_chosen() -> None:
    mixed, labels = predictions(1)
    assert greedy_weights(mixed.repeat(3, 1, 1), labels, size=5) == (1.0, 0.0, 0.0)


def test_greedy_selection_leaves_out_diverged_models() -> None:
    mixed, labels = predictions()
    mixed[2] = float("nan")
    assert greedy_weights(mixed, labels)[2] == 0.0
    with pytest.raises(ValueError, match="finite loss"):
        greedy_weights(mixed[2:], labels)
    with pytest.raises(ValueError, match="must be finite"):
        simplex_weights(mixed, labels)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_simplex_weights_are_the_best_of_a_grid(kind: str) -> None:
    mixed, labels = predictions()
    if kind == "values":
        labels = torch.randn(40, generator=torch.Generator().manual_seed(0))
        mixed = labels + torch.tensor([1.0, -0.5, 3.0])[:, None] * torch.randn(3, 40)
    found = simplex_weights(mixed, labels)
    assert min(found) >= 0.0 and sum(found) == pytest.approx(1.0)
    loss = float(ensemble_loss(torch.tensordot(torch.tensor(found), mixed, 1), labels))
    steps = np.linspace(0.0, 1.0, 41)
    grid = [(a, b, 1.0 - a - b) for a, b in product(steps, steps) if a + b <= 1.0]
    best = min(
        float(
            ensemble_loss(
                torch.tensordot(torch.tensor(w), mixed.double(), 1),
                labels.double() if kind == "values" else labels,
            )
        )
        for w in grid
    )
    assert loss <= best + 1e-4
    assert loss <= float(ensemble_loss(mixed.mean(0), labels))


@pytest.mark.parametrize("space", ["probability", "value"])
@pytest.mark.parametrize("way", ["export", "trace"])
@pytest.mark.filterwarnings("ignore:You are using `torch.load`:FutureWarning")  # torch itself: 2.4
def test_what_was_exported_is_saved_loaded_and_takes_any_number_of_rows(
    space: str, way: str, tmp_path: Path
) -> None:
    ensemble = Ensemble(members(), [1.0, 2.0, 3.0], space=space).eval()  # type: ignore[arg-type]
    x, more, path = torch.randn(7, 5), torch.randn(11, 5), tmp_path / "ensemble.pt"
    if way == "export":
        rows = ({0: torch.export.Dim("rows")},)
        torch.export.save(torch.export.export(ensemble, (x,), dynamic_shapes=[rows]), path)
        loaded = torch.export.load(path).module()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.jit.save(torch.jit.trace(ensemble, (x,)), path)
            loaded = torch.jit.load(path)
    for rows_of in (x, more):
        torch.testing.assert_close(loaded(rows_of), ensemble(rows_of))


def test_mixed_precision_leads_nearly_to_the_same() -> None:
    ensemble, x = Ensemble(members(), [1.0, 2.0, 3.0]).eval(), torch.randn(7, 5)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = ensemble(x)
    torch.testing.assert_close(mixed.float(), ensemble(x), atol=0.05, rtol=0.05)
    halved = Ensemble([model.bfloat16() for model in members()]).eval()
    assert halved(x.bfloat16()).isfinite().all()
