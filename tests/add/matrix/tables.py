"""What the models of the matrix are trained on and asked: scikit-learn's real data, and made-up tables of people."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import sklearn.datasets
from tests.add.matrix.cases import ROWS

from despliegue.models.model import Array

CITIES = ("Málaga", "A Coruña", "León", "El Puerto de Santa María")
UNSEEN = ("Cádiz", "Ávila la Real")
NUMBERS = ("age (years)", "income", "joined")
CATEGORIES = ("sex", "city")


def people(number: int, seed: int, cities: Sequence[str] = CITIES, missing: float = 0.1) -> pd.DataFrame:
    """People: numbers, `joined` in seconds since 1970, and categories; of all but `joined` a share is missing."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age (years)": draw.integers(18, 90, number).astype(float),
            "income": draw.lognormal(10, 1, number).round(2),
            "joined": draw.integers(1_600_000_000, 1_700_000_000, number).astype(float),
            "sex": draw.choice(["m", "f"], number),
            "city": draw.choice(list(cities), number),
        }
    )
    frame["sex"], frame["city"] = frame["sex"].astype(object), frame["city"].astype(object)
    for name in ("age (years)", "income", *CATEGORIES):
        frame.loc[draw.random(number) < missing, name] = np.nan if name in NUMBERS else None
    return frame


def wealth(frame: pd.DataFrame) -> Array:
    """A number that all columns tell of."""
    old = frame["age (years)"].fillna(30).to_numpy() / 10
    late = (frame["joined"].to_numpy() - 1_650_000_000) / 2e7
    noise = np.random.default_rng(9).normal(0, 1, len(frame))
    city = frame["city"].isin(CITIES[:2]).to_numpy() * 2.0
    wealth: Array = old + late + city + np.log(frame["income"].fillna(1e4).to_numpy()) / 2 + noise
    return wealth * np.where(frame["sex"].to_numpy() == "f", 1.2, 1.0)


def answers(frame: pd.DataFrame, names: Sequence[Any]) -> Array:
    """As many classes as `names`, alike in size."""
    number = wealth(frame)
    return np.array(names)[np.digitize(number, np.quantile(number, np.linspace(0, 1, len(names) + 1)[1:-1]))]


@cache
def trained() -> pd.DataFrame:
    """The people that models are trained on."""
    return people(1_500, 0)


@cache
def asked() -> pd.DataFrame:
    """Other people, some from cities that nobody was trained on, and after them some that everybody was trained on."""
    return pd.concat([people(ROWS - 500, 1, [*CITIES, *UNSEEN]), trained()[:500]], ignore_index=True)


@cache
def known() -> pd.DataFrame:
    """People of whom all is known."""
    return people(ROWS, 2, missing=0.0)


def real(name: str) -> tuple[pd.DataFrame, Array]:
    """Real data that comes with scikit-learn: its columns and target."""
    data = getattr(sklearn.datasets, f"load_{name}")()
    names = [str(each) for each in data.feature_names]
    return pd.DataFrame(data.data, columns=names), data.target


def near(frame: pd.DataFrame, missing: float = 0.0) -> pd.DataFrame:
    """The rows of `frame`, then rows between two of them; a share of the values missing."""
    draw = np.random.default_rng(3)
    values = frame.to_numpy(float)
    first, second = values[draw.integers(0, len(values), (2, ROWS))]
    share = draw.random((ROWS, 1))
    found = np.concatenate([values, first * share + second * (1 - share)])[:ROWS]
    found[draw.random(found.shape) < missing] = np.nan
    return pd.DataFrame(found, columns=frame.columns)


_GOOD = "estupendo rápido cariñoso útil precioso Ángel año ilusión corazón".split()  # noqa: SIM905
_BAD = "pésimo lento roto ñoño inútil feo dolor avería corazón".split()  # noqa: SIM905
_OTHER = "el la de y más está también había producto envío tienda ÚLTIMO 24h co-op".split()  # noqa: SIM905


def reviews(number: int, seed: int, others: Sequence[str] = ()) -> tuple[pd.DataFrame, Array]:
    """Spanish reviews, some in capitals, some empty; and whether they praise."""
    draw = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(number):
        praises = draw.random() < 0.5
        words = [*draw.choice(_GOOD if praises else _BAD, 3), *draw.choice([*_OTHER, *_GOOD, *_BAD, *others], 6)]
        words = [word.upper() if draw.random() < 0.2 else word for word in words]
        draw.shuffle(words)
        texts.append(str(draw.choice([" ", ", ", " ¡"])).join(words) if draw.random() < 0.98 else "")
        labels.append("elogio" if praises else "queja")
    return pd.DataFrame({"text": np.array(texts, object)}), np.array(labels)
