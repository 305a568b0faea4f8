"""Where the twins are, and the made-up credentials they take."""

from __future__ import annotations

from connectors.sandbox.kinds import twins


def environment(port: int) -> dict[str, str]:
    """The variables that a company's mappings would name, for the sandbox on this port."""
    root = f"http://127.0.0.1:{port}"
    found: dict[str, str] = {}
    for name, module in twins().items():
        found |= module.environment(f"{root}/{name}")
    return found
