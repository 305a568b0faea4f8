"""HR's file from elsewhere: HTTPS, SFTP, the newest of several; whole or not at all."""

import asyncio
import functools
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import asyncssh
import pytest

from connectors.errors import Refused, Retryable
from connectors.hr.catalogue import source
from connectors.hr.sftp import Host
from mappings.vocabulary import HrSource

FIELDS = {"employee_id": "No", "given_name": "First", "family_name": "Last", "hire_date": "Begins"}
TEXT = "No;First;Last;Begins\n007;Ana;Šimić;2026-01-05\n".encode()


def csv(folder: Path, **options: object):
    rules = HrSource.model_validate({"connector": "csv", "fields": FIELDS, "options": options})
    return source("people", rules, {}, folder)


class Files(BaseHTTPRequestHandler):
    """A file behind a token, under a tag; and what goes wrong at such servers."""

    def do_GET(self):
        self.server.asked.append(dict(self.headers))
        good = self.headers.get("Authorization") == "Bearer tea"
        if self.path == "/moved.csv":
            self.answer(302, b"", ("Location", self.server.elsewhere))
        elif self.path in ("/sign-in.csv", "/page.csv"):
            kind = "text/html" if self.path == "/sign-in.csv" else "text/csv"
            self.answer(200, b"\n<!DOCTYPE html><title>Sign in</title>", ("Content-Type", kind))
        elif self.headers.get("If-None-Match") == self.server.tag:
            self.answer(304, b"")
        else:
            self.answer(200 if good else 401, self.server.text if good else b"", ("ETag", self.server.tag))

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body) + self.server.short))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said):
        pass


@pytest.fixture
def web():
    """A server of files, and its url."""
    server = HTTPServer(("127.0.0.1", 0), Files)
    server.asked, server.text, server.tag, server.elsewhere, server.short = [], TEXT, '"1"', "", 0
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


TEA = {"auth": {"bearer": "tea"}}


def test_a_file_comes_by_http_and_again_only_where_it_changed(tmp_path, web):
    app = csv(tmp_path, path=f"{web.url}/people.csv", remote=TEA)

    assert [app.read()["No"].tolist() for _ in range(2)] == [["007"], ["007"]]
    assert [seen.get("If-None-Match") for seen in web.asked] == [None, '"1"']
    web.text, web.tag = TEXT.replace(b"007", b"008"), '"2"'
    assert app.read()["No"].tolist() == ["008"]
    with pytest.raises(Refused, match="401"):
        csv(tmp_path, path=f"{web.url}/people.csv", remote={"auth": {"bearer": "coffee"}}).read()


@pytest.mark.parametrize("page", ["sign-in", "page"])
def test_a_page_to_sign_in_is_no_file(tmp_path, web, page):
    with pytest.raises(Refused, match="a web page"):
        csv(tmp_path, path=f"{web.url}/{page}.csv", remote=TEA).read()


def test_no_redirect_is_followed_so_that_no_token_goes_elsewhere(tmp_path, web):
    web.elsewhere = f"{web.url.replace('127.0.0.1', 'localhost')}/people.csv"

    with pytest.raises(Refused, match="sent us elsewhere"):
        csv(tmp_path, path=f"{web.url}/moved.csv", remote=TEA).read()
    assert len(web.asked) == 1


def test_a_file_that_breaks_off_is_no_file(tmp_path, web):
    web.short = 100

    with pytest.raises(Retryable, match="broke"):
        csv(tmp_path, path=f"{web.url}/people.csv", remote=TEA).read()


def test_a_file_that_everybody_on_the_way_reads_is_refused(tmp_path):
    with pytest.raises(Refused, match="everybody on the way reads it. Use https"):
        csv(tmp_path, path="http://hr.mill.example/people.csv")


# by SFTP, from a server that we did not write


class Door(asyncssh.SSHServer):
    def __init__(self, keys, came):
        self.keys, self.came = keys, came

    def connection_made(self, connection):
        self.came.append(connection)

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == ("rollcall", "tea")

    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        return key.export_public_key().split()[:2] in self.keys


@pytest.fixture
def sftp(tmp_path):
    """asyncssh's server: its url, its public key, its folder, the keys that it lets in."""
    folder, keys, came = tmp_path / "served", [], []
    (folder / "export").mkdir(parents=True)
    (folder / "export" / "people.csv").write_bytes(TEXT)
    loop, key = asyncio.new_event_loop(), asyncssh.generate_private_key("ssh-ed25519")

    async def serve():
        shelf = functools.partial(asyncssh.SFTPServer, chroot=str(folder).encode())
        door = functools.partial(Door, keys, came)
        return await asyncssh.listen("127.0.0.1", 0, server_factory=door, server_host_keys=[key], sftp_factory=shelf)

    server = loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    public = key.export_public_key().decode()
    yield SimpleNamespace(url=f"sftp://127.0.0.1:{server.get_port()}/export/", key=public, folder=folder, keys=keys)

    async def end():
        server.close()
        for connection in came:
            connection.abort()
            await connection.wait_closed()
        await server.wait_closed()

    asyncio.run_coroutine_threadsafe(end(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def remote(sftp, **said):
    return {"user": "rollcall", "password": "tea", "host_key": sftp.key, "settle_seconds": 0, **said}


def test_a_file_comes_by_sftp(tmp_path, sftp):
    url = sftp.url + "people.csv"

    assert csv(tmp_path, path=url, remote=remote(sftp)).read()["Last"].tolist() == ["Šimić"]
    with pytest.raises(Refused, match="refused us"):
        csv(tmp_path, path=url, remote=remote(sftp, password="coffee")).read()
    with pytest.raises(Refused, match="no such file"):
        csv(tmp_path, path=url + ".old", remote=remote(sftp)).read()


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_key_takes_the_place_of_the_password(tmp_path, sftp, kind, form):
    own = asyncssh.generate_private_key(kind)
    sftp.keys.append(own.export_public_key().split()[:2])
    private = own.export_private_key(form).decode().replace("\n", "\\n")
    app = csv(tmp_path, path=sftp.url + "people.csv", remote=remote(sftp, password="", key=private))

    assert app.read()["No"].tolist() == ["007"]
    sftp.keys.clear()
    with pytest.raises(Refused, match="refused us"):
        app.read()


def test_a_server_with_another_key_gets_no_password(tmp_path, sftp):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    url = sftp.url + "people.csv"

    with pytest.raises(Refused, match="was the server replaced"):
        csv(tmp_path, path=url, remote=remote(sftp, host_key=other)).read()
    with pytest.raises(Refused, match="is no public key"):
        csv(tmp_path, path=url, remote=remote(sftp, host_key="")).read()


def test_a_server_that_is_not_there_is_retryable(tmp_path, sftp):
    with pytest.raises(Retryable):
        csv(tmp_path, path="sftp://127.0.0.1:1/export/people.csv", remote=remote(sftp)).read()


def test_the_newest_file_is_taken(tmp_path, sftp):
    export = sftp.folder / "export"
    for turn, number in enumerate((b"008", b"009", b"010")):
        file = export / f"staff-{3 - turn}.csv"
        file.write_bytes(TEXT.replace(b"007", number))
        os.utime(file, (1000 + turn, 1000 + turn))
    (export / "staff-9.csv").mkdir()

    assert csv(tmp_path, path=sftp.url + "staff-*.csv", remote=remote(sftp)).read()["No"].tolist() == ["010"]
    assert csv(tmp_path, path=f"{export}/staff-*.csv").read()["No"].tolist() == ["010"]
    for nowhere in (sftp.url + "temps-*.csv", f"{export}/temps-*.csv"):
        with pytest.raises(Refused, match="no such file"):
            csv(tmp_path, path=nowhere, remote=remote(sftp)).read()


def test_a_file_that_somebody_is_writing_is_no_file(tmp_path, sftp):
    file = sftp.folder / "export" / "people.csv"

    def grow(_: float) -> None:
        with file.open("ab") as more:
            more.write(b"008;Bo")

    words = ("people", sftp.url + "people.csv", "rollcall", "tea", "", sftp.key)
    with pytest.raises(Retryable, match="is being written"):
        Host(*words, 1.0, grow).fetched()
    assert Host(*words, 1.0, lambda _: None).fetched().endswith(b"008;Bo")


@pytest.mark.parametrize("end", ["END;1", '"END";1\n\n'])
def test_a_last_line_may_have_to_tell_that_the_file_is_whole(tmp_path, end):
    file, app = tmp_path / "people.csv", csv(tmp_path, path="people.csv", last_line="END")
    file.write_bytes(TEXT)
    with pytest.raises(Retryable, match="does not begin with 'END'"):
        app.read()

    file.write_bytes(TEXT + end.encode())
    assert app.read()["No"].tolist() == ["007"]
