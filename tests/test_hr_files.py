"""HR's file as a workbook, and from elsewhere: HTTPS, SFTP."""

import io
import socket
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import openpyxl
import paramiko
import pytest

from connectors.errors import Refused, Retryable
from connectors.hr.catalogue import source
from mappings.feed import people_of
from mappings.vocabulary import HrSource

FIELDS = {"employee_id": "No", "given_name": "First", "family_name": "Last", "hire_date": "Begins"}
TEXT = "No;First;Last;Begins\n007;Ana;Šimić;2026-01-05\n".encode()


def csv(folder: Path, **options: object):
    rules = HrSource.model_validate({"connector": "csv", "fields": FIELDS, "options": options})
    return source("people", rules, {}, folder)


def workbook(*sheets: str) -> bytes:
    book = openpyxl.Workbook()
    book.active.title = sheets[0]
    for name in sheets[1:]:
        book.create_sheet(name)
    sheet = book[sheets[-1]]
    sheet.append(["No", "First", "Last", "Begins"])
    sheet.append([7, "Ana", "Šimić, the second", date(2026, 1, 5)])
    sheet["A2"].number_format = "000"
    sheet.append([])
    sheet.append(["0008", "Bo", 'O"Hara', "05.01.2026"])
    whole = io.BytesIO()
    book.save(whole)
    return whole.getvalue()


def test_a_workbook_is_read_as_people_see_it(tmp_path):
    (tmp_path / "people.xlsx").write_bytes(workbook("Staff"))
    app = csv(tmp_path, path="people.xlsx")

    feed = people_of(app.read(), app.rules)

    assert feed.people[["employee_id", "family_name"]].iloc[0].tolist() == ["007", "Šimić, the second"]
    assert str(feed.people["hire_date"].iloc[0].date()) == "2026-01-05"
    assert feed.held[0].message.startswith("row 4 (0008): Begins: found '05.01.2026'")
    assert "sheet 'Staff' of a workbook" in app.check()


def test_of_several_sheets_one_must_be_named(tmp_path):
    (tmp_path / "people.xlsx").write_bytes(workbook("Read me", "Staff"))

    assert len(csv(tmp_path, path="people.xlsx", sheet="Staff").read()) == 3
    with pytest.raises(Refused, match="2 sheets: Read me, Staff. Set options.sheet"):
        csv(tmp_path, path="people.xlsx").read()
    with pytest.raises(Refused, match="no sheet 'Staf'; there is Read me, Staff"):
        csv(tmp_path, path="people.xlsx", sheet="Staf").read()


def test_a_broken_workbook_is_refused(tmp_path):
    (tmp_path / "people.xlsx").write_bytes(workbook("Staff")[:300])

    with pytest.raises(Refused, match="no readable workbook"):
        csv(tmp_path, path="people.xlsx").read()


class Files(BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers.get("Authorization") == "Bearer tea"
        self.send_response(200 if good else 401)
        self.end_headers()
        self.wfile.write(TEXT if good else b"")

    def log_message(self, *said):
        pass


def test_a_file_comes_by_http(tmp_path):
    server = HTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/people.csv"
        assert csv(tmp_path, path=url, remote={"auth": {"bearer": "tea"}}).read()["No"].tolist() == ["007"]
        with pytest.raises(Refused, match="401"):
            csv(tmp_path, path=url, remote={"auth": {"bearer": "coffee"}}).read()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Door(paramiko.ServerInterface):
    def check_auth_password(self, username, password):
        good = (username, password) == ("rollcall", "tea")
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


class Shelf(paramiko.SFTPServerInterface):
    def stat(self, path):
        if path != "/export/people.csv":
            return paramiko.SFTP_NO_SUCH_FILE
        found = paramiko.SFTPAttributes()
        found.st_size = len(TEXT)
        return found

    def open(self, path, flags, attr):
        if path != "/export/people.csv":
            return paramiko.SFTP_NO_SUCH_FILE
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = io.BytesIO(TEXT)
        return handle


@pytest.fixture
def sftp() -> Iterator[tuple[str, str]]:
    """A server's url, and its public key."""
    key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))
    transports = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Shelf)
            transports.append(transport)
            try:
                transport.start_server(server=Door())
            except (paramiko.SSHException, EOFError):
                continue

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"sftp://127.0.0.1:{listener.getsockname()[1]}/export/people.csv", f"{key.get_name()} {key.get_base64()}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for transport in transports:
        transport.close()


def test_a_file_comes_by_sftp(tmp_path, sftp):
    url, key = sftp
    remote = {"user": "rollcall", "password": "tea", "host_key": key}

    assert csv(tmp_path, path=url, remote=remote).read()["Last"].tolist() == ["Šimić"]
    with pytest.raises(Refused, match="refused us"):
        csv(tmp_path, path=url, remote=remote | {"password": "coffee"}).read()
    with pytest.raises(Refused, match="no such file"):
        csv(tmp_path, path=url + ".old", remote=remote).read()


def test_a_server_with_another_key_gets_no_password(tmp_path, sftp):
    other = paramiko.ECDSAKey.generate()
    key = f"{other.get_name()} {other.get_base64()}"

    with pytest.raises(Refused, match="was the server replaced"):
        csv(tmp_path, path=sftp[0], remote={"user": "rollcall", "password": "tea", "host_key": key}).read()
    with pytest.raises(Refused, match="is no public key"):
        csv(tmp_path, path=sftp[0], remote={"user": "rollcall", "password": "tea"}).read()


def test_a_server_that_is_not_there_is_retryable(tmp_path, sftp):
    remote = {"user": "rollcall", "password": "tea", "host_key": sftp[1]}
    with pytest.raises(Retryable):
        csv(tmp_path, path="sftp://127.0.0.1:1/export/people.csv", remote=remote).read()
