"""MovieLens in both layouts, what recommenders are judged by, and how they start from others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from examples.common import Options
from examples.recommendation import data
from examples.recommendation.__main__ import hypervolume
from examples.recommendation.__main__ import new_model
from examples.recommendation.__main__ import start_from
from examples.recommendation.data import Ratings
from examples.recommendation.model import judged
from examples.recommendation.model import ndcg
from examples.recommendation.model import predict
from examples.recommendation.model import rmse
from optuna_meta.weights import Checkpoint
from optuna_meta.weights.checkpoint.metadata import Metadata


FACTORS = {"model": "factors", "factors": 3, "spread": 0.1}
NETWORK = FACTORS | {"model": "network", "width": 4, "depth": 1, "dropout": 0.0}


def ratings(film_ids: list[int]) -> Ratings:
    """Two users, of whom each has rated three films, one in each part."""
    return Ratings(
        user=np.array([0, 0, 0, 1, 1, 1]),
        film=np.array([0, 1, 2, 2, 0, 3]),
        rating=np.array([5, 5, 3, 4, 2, 5], np.float32),
        time=np.arange(6),
        part=np.array([data.TRAIN, data.VALID, data.TEST] * 2),
        film_ids=np.array(film_ids),
    )


def as_recbole(folder: Path) -> Path:
    """Write what u.data, u.user and u.item say as RecBole does, and return where."""
    own = folder / "recbole"
    own.mkdir()
    table = pd.read_csv(folder / "u.data", sep="\t", header=None)
    columns = ["user_id:token", "item_id:token", "rating:float", "timestamp:float"]
    table.to_csv(own / "ml-100k.inter", sep="\t", header=columns, index=False)
    users = pd.read_csv(folder / "u.user", sep="|", header=None)
    users[[3, 4]] = "other", "00000"
    users.to_csv(
        own / "ml-100k.user", sep="\t", header=[f"{i}:token" for i in range(5)], index=False
    )
    items = pd.read_csv(folder / "u.item", sep="|", header=None)
    flags = items.iloc[:, -19:].to_numpy() == 1
    genres = [" ".join(np.array(data.GENRES)[row]) for row in flags]
    films = pd.DataFrame({"item_id:token": items[0], "title": "t", "year": 1990, "class": genres})
    films.to_csv(own / "ml-100k.item", sep="\t", index=False)
    return own


def test_both_layouts_say_the_same(tmp_path: Path) -> None:
    folder = data.write_sample(tmp_path)
    one, other = (data.read_movielens(f) for f in (folder, as_recbole(folder)))
    assert set(one["rating"]) == {1, 2, 3, 4, 5} and len(one) == 5000
    ours, theirs = (data.task(t, "women", "Drama").data for t in (one, other))
    for name, column in vars(ours).items():
        assert np.array_equal(column, getattr(theirs, name)), name
    with pytest.raises(FileNotFoundError, match=r"Wanted u.data or ml-100k.inter in .*README"):
        data.read_movielens(tmp_path / "nowhere")


def test_a_task_has_one_group_and_genre_and_parts_of_every_user(tmp_path: Path) -> None:
    movielens = data.read_movielens(data.write_sample(tmp_path))
    own = data.task(movielens, "men under 30", "Comedy").data
    film_rows = movielens.drop_duplicates("film").set_index("film")
    assert all("Comedy" in film_rows.loc[i, "genres"].split() for i in own.film_ids)
    for part in (data.TRAIN, data.VALID, data.TEST):
        assert set(own.user[own.part == part]) == set(range(own.n_users))
    pairs = set(zip(own.user, own.film, strict=True))
    assert len(pairs) == len(own.user)


def test_errors_count_within_the_scale_and_on_one_part() -> None:
    predicted = np.full((2, 4), 9.0, np.float32)
    assert rmse(predicted, ratings([1, 2, 3, 4]), data.VALID) == pytest.approx(np.sqrt(4.5))


def test_ndcg_passes_over_what_users_have_rated_before() -> None:
    # The first user likes film 1, which stands second behind film 3; film 0 is known already.
    predicted = np.array([[9.0, 2.0, 1.0, 3.0], [4.0, 3.0, 2.0, 1.0]], np.float32)
    own = ratings([1, 2, 3, 4])
    assert ndcg(predicted, own, data.VALID) == pytest.approx(1 / np.log2(3))
    # Only the second user likes one of those to test with, and nothing else is left to recommend.
    assert ndcg(predicted, own, data.TEST) == pytest.approx(1 / np.log2(3))
    assert ndcg(predicted, own, data.TEST, first=1) == 0.0


def test_a_model_worse_than_the_worst_is_worth_nothing() -> None:
    assert hypervolume((1.0, 0.2)) == pytest.approx(0.05)
    assert hypervolume((1.5, 0.2)) == 0.0


def test_predictions_are_of_each_user_and_each_film() -> None:
    own = ratings([1, 2, 3, 4])
    for chosen in (FACTORS, NETWORK):
        model = new_model(own, chosen, "cpu").eval()
        predicted = predict(model, own, Options(Path()))
        assert predicted.shape == (2, 4)
        assert predicted[1, 2] == pytest.approx(model(torch.tensor([[1, 2]])).item(), abs=1e-6)
    assert judged(predicted, own, data.VALID) == (
        rmse(predicted, own, data.VALID),
        ndcg(predicted, own, data.VALID),
    )


@pytest.mark.parametrize("theirs", [FACTORS, NETWORK, FACTORS | {"factors": 5}])
@pytest.mark.parametrize("ours", [FACTORS, NETWORK])
def test_films_go_by_what_they_are_and_users_stay(
    theirs: dict[str, object], ours: dict[str, object]
) -> None:
    old = new_model(ratings([1, 2, 3, 4]), theirs, "cpu")
    checkpoint = Checkpoint(old.state_dict(), Metadata(extra={"films": [1, 2, 3, 4]}))
    target = ratings([4, 7, 1, 8])
    model = new_model(target, ours, "cpu")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start_from(model, checkpoint, target)
    after = model.state_dict()
    for name in ("user.weight", "user_bias.weight"):
        assert torch.equal(after[name], before[name])
    expected = before["film.weight"].clone()
    expected[[0, 2]] = old.state_dict()["film.weight"][[3, 0], :3]
    assert torch.equal(after["film.weight"], expected)
    has_network = theirs["model"] == ours["model"] == "network"
    for name in (name for name in after if name.startswith("network")):
        source = old.state_dict() if has_network else before
        assert torch.equal(after[name], source[name])
