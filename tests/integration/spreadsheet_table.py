"""The table of docs/calling-from-a-spreadsheet.md: what a spreadsheet may have written, and which way takes it."""

from typing import Final, NamedTuple

from tests.integration.guides import read

GUIDE: Final = read("calling-from-a-spreadsheet")

NAMES: Final = ["island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex"]
_PLAIN: Final = f"{','.join(NAMES)}\nTorgersen,39.1,18.7,181,3750,male\n"

FILES: Final = {
    "`39.1`, commas between the columns": _PLAIN,
    "`39.1`, semicolons or tabs between": _PLAIN.replace(",", ";"),
    "`39,1`, semicolons or tabs between": _PLAIN.replace(",", "\t").replace(".", ","),
    '`"39,1"`, commas between (Google Sheets)': _PLAIN.replace("39.1", '"39,1"'),
    "`3.750`, meant as 3750": _PLAIN.replace("3750", "3.750"),
}
"""By the table's first column: one bird's measurements."""


class Taken(NamedTuple):
    """What the guide says of a file: "yes", "no", or a warning."""

    page: str
    request: str
    job: str


def taken() -> dict[str, Taken]:
    """The table's rows."""
    table = GUIDE.split("| in the file |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return {written: Taken(*cells) for written, *cells in rows}
