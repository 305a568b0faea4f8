"""The words under `options` of a Google Workspace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from connectors.apps.google_licences import PREFIX
from connectors.apps.google_transfer import CALENDAR, DRIVE, Application
from connectors.auth import Auth
from mappings.words import Words, as_list


class Options(Words):
    """A Google Workspace."""

    url: str = "https://admin.googleapis.com"
    licensing_url: str = "https://licensing.googleapis.com"
    auth: Auth
    change_password: bool = True
    """Whether a new user, whose password nobody knows, must choose one when somebody resets it."""
    archive: bool = False
    """Whether disabling archives too, which takes an Archived User licence."""
    undelete: bool = True
    """Whether a rehire within 20 days gets the deleted account back."""
    create_org_units: bool = False
    """Whether an org unit that is wanted and missing is made."""
    groups_by: Literal["name", "email"] = "name"
    """What rules call groups."""
    create_groups: bool = False
    """Whether a group that is wanted and missing is made."""
    domain: str = ""
    """Domain of the addresses of new groups; left out: the account's first."""
    licences: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()
    """PRODUCT/SKU of the licences that rules may give, as `licence:PRODUCT/SKU`."""
    devices: Literal["keep", "account_wipe"] = "keep"
    """What becomes of the company's data on a leaver's phones."""
    transfer: tuple[Application, ...] = (DRIVE, CALENDAR)
    """Whose data is handed over."""
    transfer_patience: float = Field(default=20, ge=0)
    """Seconds to wait for a transfer before a later run looks again."""

    @field_validator("licences")
    @classmethod
    def have_two_parts(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in named if name.removeprefix(PREFIX).count("/") != 1]:
            raise ValueError(f"write PRODUCT/SKU, not {', '.join(wrong)}")
        return tuple(name.removeprefix(PREFIX) for name in named)
