import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from facewire_edge.errors import DataError, OutputError, UsageError
from facewire_train import catalogue, fetch_command
from facewire_train import download as downloading
from facewire_train.__main__ import main
from facewire_train.catalogue import PublicFile, load_catalogue
from facewire_train.datasets import READERS, find_format, read_labels
from facewire_train.download import download
from facewire_train.fetch_record import RECORD, read_fetched
from facewire_train.unpack import unpack

from tests.train.made_sets import write_mtfl, write_wflw

Usage = namedtuple("Usage", "total used free")
CONTENT = bytes(range(256)) * 2000  # 512 kB


@dataclass
class Site:
    """Hold what the local server gives, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    lengths: bool = True
    media_type: str = "application/octet-stream"
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    statuses: list[int] = field(default_factory=list)  # of the next answers, in place of the file
    asked: list[str | None] = field(default_factory=list)  # the Range of each request
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers["Range"]
        site.asked.append(wanted)
        content = site.files.get(self.path.strip("/").partition("?")[0])
        if site.statuses or content is None:
            return self._answer(site.statuses.pop(0) if site.statuses else 404, b"", {})
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
        if start >= len(content):
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        told = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if wanted and site.ranges else {}
        return self._answer(206 if told else 200, content[start:], told)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": self.site.media_type, **headers}.items():
            self.send_header(name, value)
        if self.site.lengths:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body[: self.site.cuts.pop(0)] if body and self.site.cuts else body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Serve files on this machine alone."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloading, "PAUSES_S", (0.0, 0.0))
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def toy(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Serve one archive, and name it in a catalogue, beside a set that only a person can fetch."""
    site.files["toy.zip"] = zip_of({"toy/training.txt": b"a list", "toy/a.jpg": CONTENT})
    return set_catalogue(tmp_path, monkeypatch, f'url = "{site.url}/toy.zip?download=1"')


def set_catalogue(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> str:
    about = 'title = "Toy"\nhomepage = "http://127.0.0.1"\nterms = "for research only"\n'
    text = (
        f'[sets.toy]\n{about}format = "mtfl"\nfiles = [{{ {file} }}]\n[sets.form]\n{about}manual = "fill in the form"\n'
    )
    (folder / "catalogue.toml").write_text(text)
    monkeypatch.setattr(catalogue, "CATALOGUE", folder / "catalogue.toml")
    return "toy"


def zip_of(entries: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return packed.getvalue()


FILTERED = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="tars are unpacked from Python 3.11.4 on")


def tar_of(member: tarfile.TarInfo, content: bytes = b"") -> bytes:
    packed = io.BytesIO()
    member.size = len(content)
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        file.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def fetch(out: Path) -> int:
    return main(["fetch", "toy", "--out", str(out), "--yes"])


def receive(site: Site, part: Path, size: int = 0) -> None:
    download(PublicFile(f"{site.url}/faces.bin", size), part, lambda have, total: None)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_set_is_shown_fetched_unpacked_and_recorded(
    site: Site, toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(tmp_path / "out") == 0
    said = capsys.readouterr()
    assert "for research only" in said.err
    sha256 = hashlib.sha256(site.files["toy.zip"]).hexdigest()
    assert json.loads(said.out)["files"] == [{"path": str(tmp_path / "out" / "toy"), "sha256": sha256}]
    assert (tmp_path / "out" / "toy" / "toy" / "a.jpg").read_bytes() == CONTENT
    assert "for research only" in (tmp_path / "out" / "TERMS.txt").read_text()
    assert read_fetched(tmp_path / "out")["toy.zip"].sha256 == sha256
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"toy", "TERMS.txt", RECORD}


@pytest.mark.parametrize(("name", "write"), [("mtfl", write_mtfl), ("wflw", write_wflw)])
def test_fetched_set_is_read_where_it_was_unpacked(
    site: Site, toy: str, tmp_path: Path, name: str, write: Callable[[Path], Path]
) -> None:
    made = write(tmp_path / "made")
    site.files["toy.zip"] = zip_of({f"inside/{p.relative_to(made)}": p.read_bytes() for p in made.rglob("*.*")})
    assert fetch(tmp_path / "out") == 0
    assert find_format(tmp_path / "out") == name
    assert len(read_labels(tmp_path / "out").samples) == len(read_labels(made).samples)


def test_what_is_there_is_not_fetched_again(site: Site, toy: str, tmp_path: Path) -> None:
    assert fetch(tmp_path / "out") == fetch(tmp_path / "out") == 0
    assert len(site.asked) == 1


def test_plain_file_is_kept_as_it_is(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["LICENSE.txt"] = b"terms"
    set_catalogue(tmp_path, monkeypatch, f'url = "{site.url}/LICENSE.txt"')
    assert fetch(tmp_path / "out") == 0
    assert (tmp_path / "out" / "LICENSE.txt").read_bytes() == b"terms"
    (tmp_path / "out" / "LICENSE.txt").write_bytes(b"other terms")
    assert fetch(tmp_path / "out") == 6


def test_cut_connection_goes_on_where_it_ended(site: Site, tmp_path: Path) -> None:
    site.files["faces.bin"], site.cuts = CONTENT, [200_000, 1]
    receive(site, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert site.asked == [None, "bytes=200000-", "bytes=200001-"]


def test_another_run_goes_on_with_the_part_of_the_first(
    site: Site, toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.cuts = [1000, 0, 0, 0]
    assert fetch(tmp_path / "out") == 6
    assert "1,000 bytes are kept" in last_line(capsys)
    assert (tmp_path / "out" / "toy.zip.part").stat().st_size == 1000
    assert fetch(tmp_path / "out") == 0
    assert site.asked[-1] == "bytes=1000-"
    assert (tmp_path / "out" / "toy" / "toy" / "a.jpg").read_bytes() == CONTENT


def test_server_without_ranges_is_asked_for_the_whole_file_again(site: Site, tmp_path: Path) -> None:
    site.files["faces.bin"], site.cuts, site.ranges = CONTENT, [200_000], False
    receive(site, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_part_that_is_whole_already_is_taken(site: Site, tmp_path: Path) -> None:
    site.files["faces.bin"] = CONTENT
    (tmp_path / "part").write_bytes(CONTENT)
    receive(site, tmp_path / "part")
    receive(site, tmp_path / "part", len(CONTENT))
    assert site.asked == [f"bytes={len(CONTENT)}-"]  # where the size is known, nobody is asked


def test_part_longer_than_the_file_is_begun_anew(site: Site, tmp_path: Path) -> None:
    site.files["faces.bin"] = CONTENT
    (tmp_path / "part").write_bytes(CONTENT + b"more")
    receive(site, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_busy_server_is_asked_again_and_then_given_up(site: Site, tmp_path: Path) -> None:
    site.files["faces.bin"], site.statuses = CONTENT, [503, 429]
    receive(site, tmp_path / "part")
    site.statuses = [500] * 3
    (tmp_path / "part").unlink()
    with pytest.raises(DataError, match="500 Internal Server Error; 0 bytes are kept"):
        receive(site, tmp_path / "part")


def test_missing_file_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="404 Not Found"):
        receive(site, tmp_path / "part")
    assert len(site.asked) == 1


def test_server_that_is_not_there_gets_one_line(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be reached"):
        download(PublicFile("http://127.0.0.1:9/faces.bin"), tmp_path / "part", lambda have, total: None)


def test_web_page_in_place_of_the_file_is_refused(site: Site, tmp_path: Path) -> None:
    site.files["faces.bin"], site.media_type = b"<html>please log in", "text/html; charset=utf-8"
    with pytest.raises(DataError, match="a web page, expected faces"):
        receive(site, tmp_path / "part")
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize(("lengths", "words"), [(True, "has 512,000 bytes"), (False, "gave 512,000 bytes")])
def test_wrong_size_is_refused(site: Site, tmp_path: Path, lengths: bool, words: str) -> None:
    site.files["faces.bin"], site.lengths = CONTENT, lengths
    with pytest.raises(DataError, match=f"{words}, expected 511,999"):
        receive(site, tmp_path / "part", len(CONTENT) - 1)
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_published_checksum_is_compared(
    site: Site, toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    right = hashlib.new(algorithm, site.files["toy.zip"]).hexdigest()
    for name, checksum, code in (("bad", "0" * len(right), 6), ("good", right, 0)):
        set_catalogue(tmp_path, monkeypatch, f'url = "{site.url}/toy.zip", checksum = "{algorithm}:{checksum}"')
        assert fetch(tmp_path / name) == code
    assert {p.name for p in (tmp_path / "bad").iterdir()} == {"TERMS.txt"}


def test_checksum_that_nobody_published_is_expected_the_next_time(
    site: Site, toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(tmp_path / "out") == 0
    shutil.rmtree(tmp_path / "out" / "toy")
    site.files["toy.zip"] = zip_of({"toy/other.txt": b"another set"})
    assert fetch(tmp_path / "out") == 6
    assert "as seen on" in last_line(capsys)
    assert not (tmp_path / "out" / "toy").exists()


def test_full_disk_is_told_before_the_download(
    site: Site, toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**6, 10**6 - 1000, 1000))
    assert fetch(tmp_path / "out") == 7
    assert "1,000 are free" in last_line(capsys)
    assert not (tmp_path / "out" / "toy.zip.part").exists()


def test_disk_that_fills_up_keeps_the_part(site: Site, tmp_path: Path) -> None:
    site.files["faces.bin"] = CONTENT
    full = Path("/dev/full")  # takes no byte
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / "part").symlink_to(full)
    with pytest.raises(OutputError, match="No space left"):
        receive(site, tmp_path / "part")


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    "packed",
    [
        zip_of({"../outside.txt": b"x"}),
        zip_of({"/outside.txt": b"x"}),
        zip_of({"a\\..\\..\\outside.txt": b"x"}),
        pytest.param(tar_of(tarfile.TarInfo("../outside.txt"), b"x"), marks=FILTERED),
        pytest.param(tar_of(link("toy", "../../outside.txt")), marks=FILTERED),
        b"neither zip nor tar",
    ],
    ids=["zip-parent", "zip-absolute", "zip-backslash", "tar-parent", "tar-link", "neither"],
)
def test_archive_that_leaves_its_folder_or_is_broken_is_refused(
    site: Site, toy: str, tmp_path: Path, packed: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    site.files["toy.zip"] = packed
    assert fetch(tmp_path / "out") == 6
    assert "nothing of it was kept" in last_line(capsys)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"TERMS.txt"}
    assert not list(tmp_path.rglob("outside.txt"))


def test_damaged_zip_leaves_nothing(tmp_path: Path) -> None:
    packed = zip_of({"a.txt": b"what was packed"}).replace(b"what was packed", b"what was broken")
    (tmp_path / "a.zip").write_bytes(packed)
    with pytest.raises(DataError, match="Bad CRC-32"):
        unpack(tmp_path / "a.zip", tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_zip_that_unpacks_to_more_than_is_free_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of({"a.txt": CONTENT}))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(OutputError, match="512,000 bytes, 1,000 are free"):
        unpack(tmp_path / "a.zip", tmp_path / "a")


@FILTERED
def test_tar_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(tar_of(tarfile.TarInfo("WFLW/list.txt"), b"a list"))
    unpack(tmp_path / "a.tar.gz", tmp_path / "a")
    assert (tmp_path / "a" / "WFLW" / "list.txt").read_bytes() == b"a list"


def test_tar_without_a_filter_is_left_to_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)  # as before Python 3.11.4; Debian 12 has 3.11.2
    (tmp_path / "a.tar.gz").write_bytes(tar_of(tarfile.TarInfo("list.txt"), b"a list"))
    with pytest.raises(UsageError, match=r"needs Python 3.11.4 or newer, got .*; run: tar -xf .*a.tar.gz"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]


def test_folder_of_somebody_else_is_left_alone(
    site: Site, toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / "toy").mkdir(parents=True)
    assert fetch(tmp_path / "out") == 2
    assert "is in the way" in last_line(capsys)
    assert site.asked == []


def test_terms_need_a_yes_where_there_is_no_terminal(
    site: Site, toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert main(["fetch", "toy", "--out", str(tmp_path / "out")]) == 2
    assert "run again with --yes" in last_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("\n", 2), ("", 2)])
def test_terms_are_asked_for_on_a_terminal(
    site: Site, toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert main(["fetch", "toy", "--out", str(tmp_path / "out")]) == code
    assert len(site.asked) == (code == 0)


def test_unknown_name_lists_the_known(toy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "toi", "--yes"]) == 2
    assert "did you mean 'toy'? known: toy, form" in last_line(capsys)


def test_set_behind_a_form_says_where_to_get_it(toy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "form", "--yes"]) == 2
    assert last_line(capsys) == "facewire-train: no command can fetch form: fill in the form"


def test_list_names_every_set(toy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "--list"]) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["toy", "fetched", "mtfl"],
        ["form", "by", "hand"],
    ]


def test_broken_record_is_told(site: Site, toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / RECORD).write_text('{"name": \n')
    assert fetch(tmp_path / "out") == 6
    assert "is broken" in last_line(capsys)


@pytest.mark.parametrize("name", load_catalogue())
def test_shipped_entry_is_complete(name: str) -> None:
    entry = load_catalogue()[name]
    assert entry.title
    assert entry.terms.endswith(".")
    assert entry.homepage.startswith(("http://", "https://"))
    assert entry.format in ("", *READERS)
    assert entry.files or entry.manual
    assert len({file.result for file in entry.files}) == len(entry.files)
    assert fetch_command.about(name, entry).count("\n") >= 3
    digits = {"sha256": 64, "md5": 32, "": 0}
    for file in entry.files:
        algorithm, _, checksum = file.checksum.partition(":")
        assert file.url.startswith(("http://", "https://"))
        assert file.result not in ("", RECORD, fetch_command.TERMS)
        assert len(checksum) == digits[algorithm]
        assert set(checksum) <= set("0123456789abcdef")
