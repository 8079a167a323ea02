"""What a model is given and gives over time: baseline profiles. Pure functions over arrays; no files."""

from despliegue.monitoring.profile import ColumnProfile, Histogram, OutputProfile, Profile, profile

__all__ = ["ColumnProfile", "Histogram", "OutputProfile", "Profile", "profile"]
