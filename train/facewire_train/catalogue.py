"""Know the public sets of labelled faces: what they are, under which terms, and where their files lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from facewire_edge.errors import UsageError
from facewire_edge.settings import load_settings

CATALOGUE = Path(__file__).with_name("catalogue.toml")
ARCHIVES = (".zip", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class PublicFile:
    """Hold where a file lies and what its publisher says of it."""

    url: str  # http or https
    bytes: int = 0  # 0: not published
    checksum: str = ""  # sha256:HEX or md5:HEX; empty: not published

    @property
    def name(self) -> str:
        """Give the file's name, the end of its address."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def is_archive(self) -> bool:
        """Say whether the file is to be unpacked."""
        return self.name.endswith(ARCHIVES)

    @property
    def result(self) -> str:
        """Give the name of what stays: the file, or the folder that an archive becomes."""
        suffix = next((s for s in ARCHIVES if self.name.endswith(s)), "")
        return self.name.removesuffix(suffix)


@dataclass(frozen=True, slots=True)
class PublicSet:
    """Hold what a person must know of a set before she fetches it."""

    title: str
    homepage: str
    terms: str
    format: str = ""  # the reader's name, as in FOLDER:FORMAT; empty: there is none yet
    manual: str = ""  # what no command can fetch, and where a person gets it
    files: tuple[PublicFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Hold all sets by name."""

    sets: dict[str, PublicSet] = field(default_factory=dict)


def load_catalogue() -> Mapping[str, PublicSet]:
    """Read the sets that ship with the package.

    Raises:
        UsageError: the file is broken.

    """
    return load_settings(Catalogue, CATALOGUE).sets


def find_set(sets: Mapping[str, PublicSet], name: str) -> PublicSet:
    """Give a set by its name.

    Raises:
        UsageError: there is none of that name; the message lists the known.

    """
    if name in sets:
        return sets[name]
    nearest = get_close_matches(name, sets, 1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise UsageError(f"unknown set {name!r}; {hint}known: {', '.join(sets)}")
