"""The process that loads a model: `python -m despliegue_cli.convert.worker REQUEST`. It answers in a file beside it."""

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from despliegue_cli.convert.isolation import Refused, isolate, limit_memory

if TYPE_CHECKING:
    from despliegue_cli.convert.messages import Reply, Request
    from despliegue_cli.convert.originals import Original


def main() -> None:
    """Keep this process apart, then do what the request says."""
    folder = Path(sys.argv[1]).parent
    # Before numpy and ONNX Runtime are imported, which start threads.
    isolation = isolate(folder)
    import msgspec

    from despliegue_cli.convert.messages import RefusesEveryRow, Reply, Request, one_line
    from despliegue_cli.convert.process import REPLY

    request = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Request)
    Path(sys.argv[1]).unlink()  # the sample's rows do not outlive a parent that is killed
    limit_memory(request.memory)
    # Whatever a library warns of is checked here, or not at fault; a crash is told by the last line that is printed.
    warnings.simplefilter("ignore")
    try:
        reply = answer(request, folder)
    except Refused as error:
        reply = Reply(error=str(error))
    except MemoryError:
        reply = Reply(error="it needs more memory than this machine has")
    except BaseException as error:  # what is loaded may raise anything, SystemExit too
        reply = Reply(error=one_line(error), refuses_every_row=isinstance(error, RefusesEveryRow))
    reply.isolation = isolation
    (folder / REPLY).write_bytes(msgspec.msgpack.encode(reply))


def answer(request: "Request", folder: Path) -> "Reply":
    """Do what `request` says; a converted model is written to `folder / MODEL`."""
    from despliegue.models.model import FILE_NAME
    from despliegue_cli.convert.messages import Reply, Vector
    from despliegue_cli.convert.originals import load, predict
    from despliegue_cli.convert.process import MODEL
    from despliegue_cli.convert.served import load_served

    original: Original = load(request)
    if request.task == "predict":
        columns = {name: vector.unpack() for name, vector in request.columns.items()}
        outputs, accepted, refusal = predict(original, columns)
        packed = {name: Vector.pack(array) for name, array in outputs.items()}
        return Reply(outputs=packed, accepted=Vector.pack(accepted), refusal=refusal)
    original.convert(folder / MODEL / FILE_NAME)
    load_served(folder / MODEL, original.features)
    return Reply(features=original.features, labels=original.labels, source=original.source)


if __name__ == "__main__":
    main()
