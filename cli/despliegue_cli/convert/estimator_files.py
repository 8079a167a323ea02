"""Files of scikit-learn estimators, loaded: skops, joblib, pickle."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.recognise import decompressing

# The name and, after no more than their opcodes, the value of what BaseEstimator.__getstate__ adds.
_SAVED_BY: Final = re.compile(rb"_sklearn_version.{1,12}?(\d+\.\d+[\w.]*)", re.DOTALL)
# Every encoder has one, and skops reads it from an empty array of numpy's, without pickle.
_HARMLESS: Final = ("numpy.dtype",)
_CHUNK: Final = 1 << 20
_OVERLAP: Final = 64


def load_estimator(path: Path, kind: str, *, trust: bool) -> Any:
    """The estimator in a file; of a search over parameters, the best one that it found.

    Args:
        path: the file.
        kind: `skops` or `pickle`.
        trust: load types that skops does not know.

    Raises:
        ConversionError: it is of another version of scikit-learn, holds what skops does not trust, or is no estimator.
    """
    import sklearn
    from sklearn.exceptions import InconsistentVersionWarning

    if kind == "pickle":
        # Before it is loaded: that may crash where the versions differ.
        _check_version(_saved_by(path), sklearn.__version__)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = _load_skops(path, trust=trust) if kind == "skops" else _load_pickle(path)
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            _check_version(warning.message.original_sklearn_version, sklearn.__version__)
    estimator = getattr(loaded, "best_estimator_", loaded)
    if not hasattr(estimator, "predict"):
        raise ConversionError(
            f"it holds a {type(estimator).__name__}, which does not predict; expected an estimator that"
            f" does{_inside(loaded)}"
        )
    return estimator


def _inside(loaded: Any) -> str:
    """Where in a dict the estimator is."""
    items = loaded.items() if isinstance(loaded, dict) else ()
    found = [f"[{key!r}] is a {type(each).__name__}" for key, each in items if hasattr(each, "predict")]
    return f"; its {found[0]}: save that alone" if found else ""


def _load_skops(path: Path, *, trust: bool) -> Any:
    from skops.io import get_untrusted_types, load

    unknown = [name for name in get_untrusted_types(file=path) if name not in _HARMLESS]
    if unknown and not trust:
        raise ConversionError(
            f"skops does not trust {len(unknown)} of its types: {', '.join(unknown[:5])}; if you do, add --trust"
        )
    return load(path, trusted=[*unknown, *_HARMLESS])


def _load_pickle(path: Path) -> Any:
    import joblib

    try:
        return joblib.load(path)  # reads plain pickles too
    except (EOFError, IndexError) as error:
        raise ConversionError(f"the pickle is cut short: {error}") from error
    except AttributeError as error:
        # pickle looks in the module that was started, which is the worker here.
        name = re.search(r"attribute '([\w.]+)'", str(error))
        if not name or not re.search(r"'(__main__|despliegue_cli\.convert\.worker)'", str(error)):
            raise
        raise ConversionError(
            f"it needs '{name[1]}', which was defined in the script or notebook that trained it; define it in a"
            " module, import it from there, and train again"
        ) from error


def _saved_by(path: Path) -> str:
    """The version of scikit-learn that saved a pickle; empty where it does not say."""
    tail = b""
    for chunk in _chunks(path):
        if found := _SAVED_BY.search(tail + chunk):
            return found[1].decode()
        tail = chunk[-_OVERLAP:]
    return ""


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        head = file.read(_CHUNK)
        decompressor = decompressing(head)
        while head:
            yield decompressor.decompress(head) if decompressor else head
            head = file.read(_CHUNK)


def _check_version(saved_by: str, installed: str) -> None:
    if saved_by not in ("", installed):
        raise ConversionError(
            f"it was saved by scikit-learn {saved_by}, and {installed} is installed here: an estimator is only right in"
            f" the version that saved it. pip install scikit-learn=={saved_by} and add it again, or train it anew"
        )
