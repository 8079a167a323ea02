"""`sam` and `despliegue` without an account: what only AWS can do, or never ends, is told in place of being done.

Run as `python account.py sam …` and `python account.py despliegue …`. The arguments, samconfig.toml and whatever else
comes before are read by the real commands.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def run_sam() -> None:
    """SAM's command, but that build, deploy and delete only say what they were asked for, as a line of JSON."""
    for name in ("build", "deploy", "delete"):
        module = importlib.import_module(f"samcli.commands.{name}.command")
        names = inspect.signature(module.do_cli)

        def tell(*args: Any, told: str = name, signature: inspect.Signature = names, **keywords: Any) -> None:
            given = signature.bind(*args, **keywords).arguments
            print(json.dumps({"command": told} | given, default=str))

        vars(module)["do_cli"] = tell
    importlib.import_module("samcli.cli.main").cli(prog_name="sam")


def run_despliegue() -> None:
    """`despliegue`, but that `console` ends once it has found the stack."""
    from despliegue_cli import console_server, main

    class Ended:
        def serve_forever(self) -> None:
            raise KeyboardInterrupt

    @contextmanager
    def serve_console(deployment: object, port: int) -> Iterator[Ended]:
        yield Ended()

    vars(console_server)["serve_console"] = serve_console
    main()


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    {"sam": run_sam, "despliegue": run_despliegue}[sys.argv[0]]()
