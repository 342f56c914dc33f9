"""Print the oldest versions that pyproject.toml allows, a requirement a line: python tests/oldest.py EXTRA..."""

import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement


def oldest(project: dict[str, object], extras: Sequence[str]) -> Iterator[str]:
    """Give ``name==version`` of the project's own requirements and of its extras', as far as they hold here."""
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    lines = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate():
            yield from (f"{requirement.name}=={s.version}" for s in requirement.specifier if s.operator == ">=")


if __name__ == "__main__":
    print(*oldest(tomllib.loads(Path("pyproject.toml").read_text())["project"], sys.argv[1:]), sep="\n")
