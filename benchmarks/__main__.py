"""Everything, one after the other: `python -m benchmarks [--quick]`, which is `make bench`.

Each writes benchmarks/results/<name>.json, unless --quick; then the tables in the documentation are brought up to date
(`benchmarks.tables`). It takes an hour and a half of a machine that does nothing else and 15 GB of its disk, and ten
minutes with --quick.
"""

import argparse
import subprocess
import sys

from benchmarks import tables

NAMES = ("cold", "warm", "records", "large", "http", "emulator", "batch", "growth", "scale")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the fewest rounds; nothing is written")
    quick = parser.parse_args().quick
    for name in NAMES:
        print(f"\n=== python -m benchmarks.{name}", flush=True)
        options = ["--quick"] if quick else ["--save", *(["--full"] if name == "growth" else [])]
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=True)
    if not quick:
        tables.write()


if __name__ == "__main__":
    main()
