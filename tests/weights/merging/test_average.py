from __future__ import annotations

from collections.abc import Iterator
import weakref

import pytest
import torch
from torch import nn
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.lineage import origins_of
from optuna_meta.weights.merging.average import average
from optuna_meta.weights.merging.average import cosine_similarity
from optuna_meta.weights.merging.average import refresh_statistics


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def near(seed: int, noise: float = 0.05) -> nn.Sequential:
    """One of several from one start."""
    model = network(0)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += noise * torch.randn(p.shape, generator=generator)
    return model


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_average_of_one_is_itself(dtype: torch.dtype) -> None:
    state = network(1).to(dtype).state_dict() | {
        "count": torch.tensor(5),
        "on": torch.tensor(True),
    }
    for weights in (None, [0.3]):
        mean = average([state], weights).state
        assert list(mean) == list(state)
        assert all(torch.equal(mean[n], t) and mean[n].dtype == t.dtype for n, t in state.items())


def test_the_mean_is_weighted_and_weights_are_scaled() -> None:
    a, b = torch.randn(5, 4), torch.randn(5, 4)
    mean = average([{"w": a}, {"w": b}], [3.0, 2.0], allow_independent=True).state["w"]
    torch.testing.assert_close(mean, 0.6 * a + 0.4 * b)


def test_equal_averages_agree_with_torch() -> None:
    models = [near(seed) for seed in range(4)]
    theirs = AveragedModel(network(0), use_buffers=False)
    for model in models:
        theirs.update_parameters(model)
    mine = average(model.state_dict() for model in models).state
    for name, p in theirs.module.named_parameters():
        torch.testing.assert_close(mine[name], p.detach())


def test_half_precision_is_summed_in_full() -> None:
    state = {"w": torch.full((3, 3), 1.0, dtype=torch.bfloat16)}
    other = {"w": torch.full((3, 3), 1.0078125, dtype=torch.bfloat16)}
    mean = average([state] * 300 + [other] * 300).state["w"]
    # In bfloat16 the sum would stop to grow at 256.
    assert mean.dtype == torch.bfloat16 and (mean - 1.0).abs().max() <= 0.0079


def test_counts_are_those_of_the_heaviest() -> None:
    states: list[dict[str, Tensor]] = [
        {"n": torch.tensor(i), "w": torch.ones(1)} for i in range(3)
    ]
    assert average(states, [0.2, 0.5, 0.3]).state["n"].item() == 1
    assert average(states).state["n"].item() == 0


def test_one_checkpoint_is_in_memory_at_a_time() -> None:
    seen: list[weakref.ref[Tensor]] = []

    def stream() -> Iterator[dict[str, Tensor]]:
        for seed in range(4):
            assert not [ref for ref in seen if ref() is not None]
            state = {n: t.clone() for n, t in near(seed).state_dict().items()}
            seen.extend(weakref.ref(tensor) for tensor in state.values())
            held = [state]
            del state
            yield held.pop()

    average(stream(), [1.0, 2.0, 0.0, 1.0])
    assert len(seen) == 4 * 9


def test_inputs_are_kept() -> None:
    state = near(1).state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    average([state, near(2).state_dict()])
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items())


def test_a_checkpoint_of_weight_zero_is_not_looked_at() -> None:
    state = near(1).state_dict()
    mean = average([state, {"elsewhere": torch.ones(1)}], [1.0, 0.0]).state
    assert all(torch.equal(mean[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "got 2 checkpoints and 1 weights"),
        ([1.0, 1.0, 1.0], "got 2 checkpoints and 3 weights"),
        ([1.0, -0.5], "not negative"),
        ([0.0, 0.0], "not all 0"),
        ([1.0, float("nan")], "must be finite"),
    ],
)
def test_weights_belong_to_checkpoints(weights: list[float], message: str) -> None:
    states = [near(1).state_dict(), near(2).state_dict()]
    with pytest.raises(ValueError, match=message):
        average(states, weights)


def test_other_architectures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'w' is \(2, 2\) float32 in one and \(2, 3\)"):
        average([{"w": torch.ones(2, 2)}, {"w": torch.ones(2, 3)}])
    with pytest.raises(ValueError, match="'v' is absent in one"):
        average([{"w": torch.ones(2)}, {"w": torch.ones(2), "v": torch.ones(2)}])
    with pytest.raises(ValueError, match="checkpoints, one at least, got none"):
        average([])


def test_independent_runs_are_refused_with_the_reason() -> None:
    states = [nn.Linear(64, 64).state_dict() for _ in range(2)]
    assert abs(cosine_similarity(*states)) < 0.1
    with pytest.raises(ValueError, match="Checkpoint 2 looks independent.*align_by=model"):
        average(states)
    assert average(states, allow_independent=True).state["weight"].shape == (64, 64)


def test_likeness_is_a_cosine() -> None:
    state = network(1).state_dict()
    negative = {name: -tensor for name, tensor in state.items()}
    doubled = {name: 2.0 * tensor for name, tensor in state.items()}
    assert cosine_similarity(state, doubled) == pytest.approx(1.0)
    assert cosine_similarity(state, negative) == pytest.approx(-1.0)


def test_statistics_are_recomputed_from_data() -> None:
    model = network(1).eval()
    x = torch.randn(64, 4)
    batches = [(x[:32], None), (x[32:], None)]
    refresh_statistics(model, batches)
    hidden = model[0](x)
    torch.testing.assert_close(model[1].running_mean, hidden.mean(0))
    assert not model.training


def test_the_average_knows_its_sources() -> None:
    checkpoints = [
        Checkpoint.from_model(near(seed), study="earlier", trial=seed) for seed in range(3)
    ]
    mean = average(checkpoints, [0.5, 0.0, 1.5])
    found = [(o.study, o.trial, o.weight) for o in origins_of(mean)]
    assert found == [("earlier", 0, 0.25), ("earlier", 2, 0.75)]
    again = average([mean, checkpoints[1]])
    assert [o.weight for o in origins_of(again)] == [0.125, 0.375, 0.5]


def test_an_infinite_mask_neither_hides_nor_makes_independence() -> None:
    mask = torch.triu(torch.full((8, 8), -torch.inf), 1)
    generator = torch.Generator().manual_seed(0)
    states = [{"w": torch.randn(8, 8, generator=generator), "mask": mask} for _ in range(2)]
    assert abs(cosine_similarity(*states)) < 0.5
    with pytest.raises(ValueError, match="looks independently trained"):
        average(states)
    near = {"w": states[0]["w"] + 0.01, "mask": mask}
    assert torch.equal(average([states[0], near]).state["mask"], mask)


def test_extra_state_is_that_of_the_heaviest() -> None:
    parts = [
        Checkpoint({"w": torch.ones(2, 2)}, extra_state={"a._extra_state": n, "n_averaged": n})
        for n in (1, 2, 3)
    ]
    assert average(parts, [0.2, 0.5, 0.3]).extra_state == {"a._extra_state": 2}
