"""The command line `despliegue`: what runs on your machine. Never deployed."""

import sys


def main() -> None:
    """The entry point: an error is one clear line and exit code 1."""
    try:
        # Imported here and not above: a Ctrl-C while it is imported ends it without a traceback.
        from despliegue.errors import DespliegueError
        from despliegue_cli.app import app
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        app()
    except DespliegueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
