"""Files of rows in, the same files with predictions out: CSV, JSON Lines, Parquet. File-like objects; no S3 here."""

from despliegue.scoring.counts import Counts, Reject, TooManyRejects
from despliegue.scoring.options import Options
from despliegue.scoring.scoring import Scoring

__all__ = ["Counts", "Options", "Reject", "Scoring", "TooManyRejects"]
