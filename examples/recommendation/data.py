"""MovieLens 100k in either layout, and its parts: what a group of users made of a genre."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from examples.common import Task


TRAIN, VALID, TEST = range(3)
LIKED = 4  # Ratings from here on are what a recommendation is to find.

GENRES = (  # As the last columns of u.item have them.
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
).split()
GROUPS = {
    "men under 30": "gender == 'M' and age < 30",
    "men of 30 to 44": "gender == 'M' and 30 <= age < 45",
    "men of 45 and more": "gender == 'M' and age >= 45",
    "women": "gender == 'F'",
}

_LEAST_RATINGS = 8  # of a film, then of a user: of fewer nothing is to be learned


@dataclass(frozen=True)
class Ratings:
    """n ratings of a group of users, by numbers.

    Args:
        user: Who rated.  # (n,), from 0 to n_users
        film: What.  # (n,), places in film_ids
        rating: From 1 to 5.  # (n,)
        time: In seconds.  # (n,)
        part: TRAIN, VALID or TEST.  # (n,)
        film_ids: As the data set numbers them: the same in all tasks.  # (n_films,)
    """

    user: NDArray[np.int64]
    film: NDArray[np.int64]
    rating: NDArray[np.float32]
    time: NDArray[np.int64]
    part: NDArray[np.int64]
    film_ids: NDArray[np.int64]

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return int(self.user.max()) + 1


def read_movielens(folder: Path) -> pd.DataFrame:
    """Return ratings with what is known of user and film.

    Args:
        folder: With u.data, u.user and u.item, as GroupLens publishes them, or with
            ml-100k.inter, .user and .item, as RecBole does.
    """
    if (folder / "u.data").exists():
        table = pd.read_csv(folder / "u.data", sep="\t", names=["user", "film", "rating", "time"])
        users = pd.read_csv(folder / "u.user", sep="|", header=None, usecols=[0, 1, 2])
        items = pd.read_csv(folder / "u.item", sep="|", header=None, encoding="latin-1")
        genres = [" ".join(np.array(GENRES)[row]) for row in items.iloc[:, -19:].to_numpy() == 1]
        films = pd.DataFrame({"film": items[0], "genres": genres})
    elif (folder / "ml-100k.inter").exists():
        table = pd.read_csv(folder / "ml-100k.inter", sep="\t")
        table.columns = pd.Index(["user", "film", "rating", "time"])
        users = pd.read_csv(folder / "ml-100k.user", sep="\t", usecols=[0, 1, 2])
        items = pd.read_csv(folder / "ml-100k.item", sep="\t").fillna("")
        films = pd.DataFrame({"film": items.iloc[:, 0], "genres": items.iloc[:, -1]})
    else:
        raise FileNotFoundError(
            f"Wanted u.data or ml-100k.inter in {folder}, found neither: see the README."
        )
    users.columns = pd.Index(["user", "age", "gender"])
    return table.merge(users, on="user").merge(films, on="film")


def write_sample(folder: Path) -> Path:
    """Write u.data, u.user and u.item of people and films that do not exist, and return where."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    tastes, kinds = rng.normal(size=(120, 2)), rng.normal(size=(80, 2))
    user, film = np.divmod(rng.choice(9600, 5000, replace=False), 80)
    suited = (tastes[user] * kinds[film]).sum(1) + 0.5 * rng.normal(size=len(user))
    rows = {
        "u.data": [user + 1, film + 1, (3.5 + suited).round().clip(1, 5).astype(int), 7 * film],
        "u.user": [np.arange(1, 121), 18 + np.arange(120) % 50, rng.choice(["M", "F"], 120)],
        "u.item": [np.arange(1, 81), *rng.integers(2, size=(19, 80))],
    }
    for name, columns in rows.items():
        separator = "\t" if name == "u.data" else "|"
        pd.DataFrame(dict(enumerate(columns))).to_csv(
            folder / name, sep=separator, header=False, index=False
        )
    return folder


def task(
    movielens: pd.DataFrame, group: str, genre: str, *, but: str = "", shuffled: bool = False
) -> Task:
    """Make a task of what a group of users made of a genre; of each user 60, 20 and 20 %.

    Args:
        movielens: All ratings.
        group: Of users.
        genre: Of films.
        but: Another genre, whose films are left out: a film may have several.
        shuffled: Whether films and ratings are drawn anew, so that there is nothing to learn.
    """
    of_genre = movielens["genres"].str.split().map(lambda of: genre in of and but not in of)
    rows = movielens[of_genre].query(GROUPS[group]).sample(frac=1.0, random_state=0)
    for column in ("film", "user"):
        rows = rows[rows.groupby(column)["rating"].transform("size") >= _LEAST_RATINGS]
    if shuffled:
        rng = np.random.default_rng(0)
        rows["film"] = rng.choice(rows["film"].unique(), len(rows))
        rows["rating"] = rng.permutation(rows["rating"])
    place = rows.groupby("user").cumcount() / rows.groupby("user")["film"].transform("size")
    film_ids, film = np.unique(rows["film"], return_inverse=True)
    ratings = Ratings(
        np.unique(rows["user"], return_inverse=True)[1],
        film,
        rows["rating"].to_numpy(np.float32),
        rows["time"].to_numpy(np.int64),
        np.digitize(place, [0.6, 0.8]),
        film_ids,
    )
    return Task(f"{group}: {genre}" + ", shuffled" * shuffled, ratings)
