"""The docs list everything that is refused by name."""

from pathlib import Path

from despliegue_cli.convert.refused import RULES


def test_the_docs_have_every_part_that_is_refused_by_name(root: Path) -> None:
    lines = (root / "docs" / "what-is-refused.md").read_text(encoding="utf-8").splitlines()
    documented = {line.split("`")[1].split("(")[0] for line in lines if line.startswith("| `")}
    assert set(RULES) <= documented
