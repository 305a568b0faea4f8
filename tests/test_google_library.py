"""Google's own Python library at the twin: it signs in as it does at Google, and sees what the connector did."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.sandbox.vendors.google_door import ADMIN, CLIENT_EMAIL, PRIVATE_KEY
from tests.google_house import House, house, person

service_account = pytest.importorskip("google.oauth2.service_account")
transport = pytest.importorskip("google.auth.transport.requests")
exceptions = pytest.importorskip("google.auth.exceptions")

__all__ = ["house"]
SCOPES = [
    "https://www.googleapis.com/auth/admin.directory.user",
    "https://www.googleapis.com/auth/admin.directory.group",
]


def credentials(house: House, subject: str = ADMIN, email: str = CLIENT_EMAIL, scopes: list[str] = SCOPES) -> Any:
    """What one reads from a service account's JSON file."""
    info = {"type": "service_account", "private_key_id": "1", "private_key": PRIVATE_KEY, "client_id": "1"}
    info |= {"client_email": email, "token_uri": house.environment["GOOGLE_TOKEN_URL"]}
    return service_account.Credentials.from_service_account_info(info, scopes=scopes, subject=subject)


def test_the_library_reads_what_the_connector_wrote_and_the_other_way_round(house: House) -> None:
    id = house.make()
    house.app.grant(id, "Staff")
    with transport.AuthorizedSession(credentials(house)) as session:
        users = f"{house.environment['GOOGLE_URL']}/admin/directory/v1/users"
        read = session.get(f"{users}/{id}").json()
        groups = session.get(f"{users.replace('/users', '/groups')}?userKey={id}").json()["groups"]
        session.patch(f"{users}/{id}", json={"suspended": True}).raise_for_status()

    assert read["primaryEmail"] == person()["primaryEmail"] and [each["name"] for each in groups] == ["Staff"]
    assert not house.app.read(id).active


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"subject": "nobody@juniperfinch.example"}, "invalid_grant"),
        ({"email": "other@juniperfinch.example"}, "invalid_grant"),
        ({"scopes": ["https://www.googleapis.com/auth/gmail.modify"]}, "unauthorized_client"),
    ],
)
def test_the_library_understands_why_it_is_not_let_in(house: House, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(exceptions.RefreshError, match=said):
        credentials(house, **wrong).refresh(transport.Request())
