"""Tree ensembles, exactly: read from where they were trained, written as a `TreeEnsemble` of ONNX.

`ensemble` holds the form in between; a module a library reads it; `emit` writes the graph. The stock converters compare
in float32, which sends rows near a threshold to the wrong leaf.
"""

from despliegue_cli.trees.emit import emit
from despliegue_cli.trees.ensemble import Ensemble, NotConvertible

__all__ = ["Ensemble", "NotConvertible", "emit"]
