import fcntl
import hashlib
import resource
import signal
import zlib
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from ensemble.data.download import TRIES, download, has_checksum
from ensemble.errors import DamagedError, LockedError, UserError
from ensemble.spec import Download

pytestmark = pytest.mark.timeout(20)
CONTENT = bytes(range(256)) * 4096
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@dataclass
class Site:
    """A server on loopback; its faults are used up one a request."""

    url: str = ""
    content: bytes = CONTENT
    etag: str | None = '"one"'
    ranges: bool = True  # understands Range
    sizes: bool = True  # tells Content-Length
    faults: list[int | str] = field(default_factory=list)  # a status, or "cut"
    asked: list[str | None] = field(default_factory=list)  # Range of each request
    fired: int = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        site.asked.append(self.headers.get("Range"))
        fault = site.faults.pop(0) if site.faults else None
        site.fired += fault is not None
        if isinstance(fault, int):
            return self.send_error(fault)
        body = self._head(site)
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        return None

    def _head(self, site) -> bytes:
        known = self.headers.get("If-Range") in (None, site.etag)
        wanted = self.headers.get("Range")
        start = 0
        if wanted and known and site.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        total = len(site.content)
        if start >= total:
            self.send_error(416)
            return b""
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if site.sizes:
            self.send_header("Content-Length", str(total - start))
        if site.etag:
            self.send_header("ETag", site.etag)
        self.end_headers()
        return site.content[start:]

    def log_message(self, *_):
        pass


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client may hang up early
    server.site = Site(url=f"http://127.0.0.1:{server.server_port}/big.bin")
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.site
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(site, folder, checksum=CHECKSUM, **options):
    size = len(CONTENT)
    file = Download(url=site.url, file="big.bin", n_bytes=size, checksum=checksum)
    options = {"pause": lambda seconds: None} | options
    return download(file, folder, **options)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def leave_part(folder, content: bytes, version: str = '"one"') -> None:
    (folder / "big.bin.part").write_bytes(content)
    (folder / "big.bin.part.version").write_text(version)


def test_a_file_is_fetched_and_nothing_else_is_left(site, tmp_path):
    told = []
    path = fetch(site, tmp_path, progress=lambda *numbers: told.append(numbers))
    assert path == tmp_path / "big.bin"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["big.bin"]
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


def test_what_is_there_and_right_is_not_fetched_again(site, tmp_path):
    (tmp_path / "big.bin").write_bytes(CONTENT)
    fetch(site, tmp_path)
    assert site.asked == []


@pytest.mark.parametrize("content", [b"short", CONTENT[:-1] + b"\0"])
def test_what_is_there_and_wrong_is_not_overwritten(site, tmp_path, content):
    (tmp_path / "big.bin").write_bytes(content)
    with pytest.raises(DamagedError, match="move it away and download again"):
        fetch(site, tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == content
    assert site.asked == []


@pytest.mark.parametrize("checksum", [CHECKSUM, ""])
def test_a_broken_connection_is_continued_where_it_broke(site, tmp_path, checksum):
    site.faults = ["cut", 503, "cut"]
    pauses = []
    fetch(site, tmp_path, checksum, pause=pauses.append)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    half, more = len(CONTENT) // 2, len(CONTENT) * 3 // 4
    assert site.asked == [None, *[f"bytes={half}-"] * 2, f"bytes={more}-"]
    assert pauses == [1, 2, 1]  # the third try got further, so patience starts anew
    assert site.fired == 3


def test_a_later_call_continues_an_earlier_one(site, tmp_path):
    leave_part(tmp_path, CONTENT[:1000])
    fetch(site, tmp_path)
    assert site.asked == ["bytes=1000-"]
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["big.bin"]


def test_a_whole_part_is_only_checked(site, tmp_path):
    leave_part(tmp_path, CONTENT)
    fetch(site, tmp_path)
    assert site.asked == []
    assert names(tmp_path) == ["big.bin"]


@pytest.mark.parametrize("checksum", [CHECKSUM, ""])
def test_a_file_that_changed_on_the_server_is_not_spliced(site, tmp_path, checksum):
    leave_part(tmp_path, b"\1" * 1000, '"zero"')
    fetch(site, tmp_path, checksum)
    assert site.asked == ["bytes=1000-"]
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_a_splice_that_the_server_did_not_prevent_is_fetched_anew(site, tmp_path):
    leave_part(tmp_path, b"\1" * 1000)
    fetch(site, tmp_path)
    assert site.asked == ["bytes=1000-", None]
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
@pytest.mark.parametrize(("checksum", "continues"), [(CHECKSUM, True), ("", False)])
def test_without_a_version_only_a_checksum_allows_to_continue(
    site, tmp_path, etag, checksum, continues
):
    site.etag, site.faults = etag, ["cut"]
    fetch(site, tmp_path, checksum)
    assert (site.asked[1] is not None) is continues
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", [CHECKSUM, ""])
def test_a_server_without_ranges_starts_over(site, tmp_path, checksum):
    site.ranges, site.faults = False, ["cut"]
    fetch(site, tmp_path, checksum)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_dropped(site, tmp_path):
    leave_part(tmp_path, CONTENT + b"x")
    fetch(site, tmp_path)
    assert site.asked == [None]


def test_a_range_that_the_server_cannot_give_starts_over(site, tmp_path):
    leave_part(tmp_path, CONTENT[:1000])
    site.faults = [416]
    fetch(site, tmp_path)
    assert site.asked == ["bytes=1000-", None]


def test_a_wrong_checksum_is_told_and_nothing_is_kept(site, tmp_path):
    site.content = CONTENT[:-1] + b"\0"
    with pytest.raises(DamagedError, match=r"checksum is not sha256:.* was removed"):
        fetch(site, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("sizes", [True, False])
def test_a_file_of_another_size_is_told_and_nothing_is_kept(site, tmp_path, sizes):
    site.content, site.sizes = CONTENT + b"more", sizes
    with pytest.raises(
        DamagedError, match=r"has (1,048,580|more than 1,048,576) bytes"
    ):
        fetch(site, tmp_path)
    assert names(tmp_path) == []


def test_a_missing_file_is_told_at_once(site, tmp_path):
    site.faults = [404]
    with pytest.raises(UserError, match=r"answers 404 Not Found.*save it as") as caught:
        fetch(site, tmp_path)
    assert caught.value.exit_code == 2
    assert len(site.asked) == 1


def test_no_network_is_told_after_some_tries(site, tmp_path):
    pauses = []
    site.url = "http://127.0.0.1:9/big.bin"  # the discard port, where nobody listens
    with pytest.raises(UserError, match=r"127\.0\.0\.1 cannot be reached: .*refused"):
        fetch(site, tmp_path, pause=pauses.append)
    assert pauses == [1, 2, 4, 8, 16]


def test_a_server_that_never_gets_further_is_given_up(site, tmp_path):
    site.faults = [503] * 50
    with pytest.raises(UserError, match="503"):
        fetch(site, tmp_path)
    assert len(site.asked) == TRIES


def test_what_has_come_is_kept_when_it_is_given_up(site, tmp_path):
    site.faults = ["cut"] + [503] * 50
    with pytest.raises(UserError, match="start again"):
        fetch(site, tmp_path)
    assert (tmp_path / "big.bin.part").read_bytes() == CONTENT[: len(CONTENT) // 2]
    site.faults = []
    fetch(site, tmp_path)
    assert site.asked[-1] == f"bytes={len(CONTENT) // 2}-"


def test_a_second_process_is_told_to_wait(site, tmp_path):
    with (tmp_path / "big.bin.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="another process is downloading"):
            fetch(site, tmp_path)


def test_a_folder_that_cannot_be_written_is_told(site, tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*big\.bin\.part: No such file"):
        fetch(site, tmp_path / "nowhere")


def test_a_full_disk_is_told_and_keeps_what_came(site, tmp_path, monkeypatch):
    leave_part(tmp_path, CONTENT[:1000])
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
        with pytest.raises(UserError, match=r"cannot write .*: File too large; mend"):
            fetch(site, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert (tmp_path / "big.bin.part").read_bytes() == CONTENT[:500_000]
    fetch(site, tmp_path)
    assert site.asked == ["bytes=1000-", "bytes=500000-"]


def test_a_file_name_that_leads_outside_is_a_wrong_call(tmp_path):
    file = Download(url="http://127.0.0.1/", file="../big.bin", n_bytes=1)
    with pytest.raises(ValueError, match="plain file name"):
        download(file, tmp_path)


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "sha512", "blake2b"])
def test_checksums_are_those_of_hashlib(tmp_path, algorithm):
    (tmp_path / "a").write_bytes(CONTENT)
    digits = hashlib.new(algorithm, CONTENT).hexdigest()
    assert has_checksum(tmp_path / "a", f"{algorithm}:{digits}")
    assert has_checksum(tmp_path / "a", f"{algorithm}:{digits.upper()}")
    assert not has_checksum(tmp_path / "a", f"{algorithm}:0{digits[1:]}")


def test_adler32_is_known_too(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    assert has_checksum(tmp_path / "a", f"adler32:{zlib.adler32(CONTENT):08x}")
    (tmp_path / "a").write_bytes(b"Wikipedia")
    assert has_checksum(tmp_path / "a", "adler32:11e60398")


def test_the_site_itself_has_the_faults_it_is_told_to_have(site, tmp_path):
    host = site.url.split("/")[2]

    def get(**headers):
        connection = HTTPConnection(host, timeout=5)
        connection.request("GET", "/", headers=headers)
        answer = connection.getresponse()
        body = answer.read(len(CONTENT))
        connection.close()
        return answer.status, len(body)

    site.faults = [503, "cut"]
    assert get()[0] == 503
    assert get() == (200, len(CONTENT) // 2)
    assert get() == (200, len(CONTENT))
    assert get(Range="bytes=1000-") == (206, len(CONTENT) - 1000)
    assert get(**{"Range": "bytes=9-", "If-Range": '"two"'}) == (200, len(CONTENT))
    assert site.fired == 2
