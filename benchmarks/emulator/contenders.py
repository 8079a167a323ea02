"""The handlers that are compared, and what each is asked. Why they are written so, their code in handlers/ says."""

import base64
import json
import shutil
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.deployment import environment, event
from benchmarks.emulator import installed
from benchmarks.http.forms import INSTANCES, V2_JSON, Form, Predictions
from benchmarks.requests import inference

ROWS = (1, 32, 1024)
BODIES = ("base64", "text")
"""How the event holds the request's body: in base64, as template.yaml has it, or as it is."""
_FORMS = {"v2": V2_JSON, "instances": INSTANCES}


class Contender(NamedTuple):
    """A handler that is measured.

    Attributes:
        name: in the table.
        forms: how it is asked: in `v2` (Open Inference Protocol, flat data) or in `instances` (rows in rows).
        home: of its code in handlers/; empty for ours.
        predicts: whether its replies are predictions.
        starts_only: whether only its cold start is measured.
    """

    name: str
    forms: tuple[str, ...] = ("instances",)
    home: str = ""
    predicts: bool = True
    starts_only: bool = False

    def paths(self) -> list[Path]:
        """Where it imports its own from, without Lambda's runtime."""
        return installed.theirs(self.home) if self.home else installed.ours()

    def variables(self, model: Path, scratch: Path) -> dict[str, str]:
        """Its environment: all have the deployed function's, so also its settings of OpenBLAS and ONNX Runtime.

        Args:
            model: its folder, as a version in a repository.
            scratch: a folder of its own, for the repository that ours reads.
        """
        repository = scratch / "models"
        shutil.copytree(model, repository / "model/1", dirs_exist_ok=True)
        # With credentials in the environment, as on Lambda, boto3 asks nobody for them.
        credentials = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_SESSION_TOKEN": "none"}
        variables = environment(repository) | credentials
        return variables | {
            "MODEL": str(repository / "model/1/model.onnx"),
            "AWS_DEFAULT_REGION": variables["AWS_REGION"],
        }


OURS, BASELINE, FLOOR = "despliegue", "naive", "empty"
CONTENDERS = (
    Contender(FLOOR, ("v2", "instances"), home="empty", predicts=False),
    Contender("numpy, ORT imported", home="imports", predicts=False, starts_only=True),
    Contender(OURS, ("v2",)),
    Contender(BASELINE, home="naive"),
    Contender("naive without boto3", home="bare"),
    Contender("Powertools", home="powertools"),
    Contender("Powertools, validated", home="powertools_validated"),
)


@cache
def event_of(form: str, rows: int, body: str) -> bytes:
    """The REST event of one request, as it is sent to the emulator."""
    if form == "v2":
        given = inference("model", rows, "flat")
    else:
        given = event(INSTANCES.body(rows)[0]) | {"path": "/predict", "pathParameters": {"proxy": "predict"}}
    if body == "text":
        given |= {"body": base64.b64decode(given["body"]).decode(), "isBase64Encoded": False}
    return json.dumps(given).encode()


def predictions(form: str, reply: bytes) -> Predictions:
    """What a reply says; the reply is the envelope that the handler returned."""
    envelope = json.loads(reply)
    read: Form = _FORMS[form]
    return read.read(envelope["body"].encode(), 0)
