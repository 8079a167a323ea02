"""The third example: a model as its author has it, a joblib file, and rows to prove it on.

Trains histogram gradient boosting on the Palmer penguins, categories and missing values left as they are, and writes
`species.joblib` and `birds.csv`, for `despliegue add species.joblib --trust --sample birds.csv`:

    python examples/species.py [FOLDER]

The data comes with palmerpenguins (Gorman, Williams and Fraser 2014, doi:10.1371/journal.pone.0090081; CC0).
"""

import argparse
from pathlib import Path

import joblib
from palmerpenguins import load_penguins
from sklearn.ensemble import HistGradientBoostingClassifier

COLUMNS = ["island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex"]
CATEGORIES = ["island", "sex"]


def main() -> None:
    """Train, save, say so."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path, nargs="?", default=Path())
    folder: Path = arguments.parse_args().folder
    birds = load_penguins()
    rows = birds[COLUMNS].astype(dict.fromkeys(CATEGORIES, "category"))
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(rows, birds["species"])
    joblib.dump(model, folder / "species.joblib")
    birds.to_csv(folder / "birds.csv", index=False)
    print(f"{folder / 'species.joblib'}: {type(model).__name__}; {folder / 'birds.csv'}: {len(birds)} birds")


if __name__ == "__main__":
    main()
