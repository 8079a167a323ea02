"""Files of rows in, the same files with predictions out: CSV, JSON Lines, Parquet. File-like objects; no S3 here."""

from typing import TYPE_CHECKING, Any

from despliegue.scoring.counts import Counts, Reject, TooManyRejects
from despliegue.scoring.options import Options

if TYPE_CHECKING:
    from despliegue.scoring.scoring import Scoring

__all__ = ["Counts", "Options", "Reject", "Scoring", "TooManyRejects"]


def __getattr__(name: str) -> Any:
    """`Scoring`, from its first use: it needs the tables layer, and who only reads options has none."""
    if name != "Scoring":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from despliegue.scoring.scoring import Scoring

    return Scoring
