"""Where the twins are, and the made-up credentials they take."""

from __future__ import annotations

from connectors.sandbox import badges, bamboohr, crm, desk, sso


def environment(port: int) -> dict[str, str]:
    """The variables that a company's mappings would name, for the sandbox on this port."""
    root = f"http://127.0.0.1:{port}"
    return {
        "BAMBOOHR_URL": f"{root}/bamboohr/api/v1",
        "BAMBOOHR_API_KEY": bamboohr.API_KEY,
        "BAMBOOHR_OAUTH_TOKEN": bamboohr.OAUTH_TOKEN,
        "SSO_URL": f"{root}/sso/scim/v2",
        "SSO_TOKEN": sso.TOKEN,
        "SSO_API_URL": f"{root}/sso/api/v1",
        "CRM_URL": f"{root}/crm/api/v2",
        "CRM_TOKEN": crm.TOKEN,
        "DESK_URL": f"{root}/desk/v1",
        "DESK_KEY": desk.KEY,
        "BADGE_URL": f"{root}/badges",
        "BADGE_USER": badges.USER,
        "BADGE_PASSWORD": badges.PASSWORD,
    }
