"""Where Rollcall keeps its things: variables named ROLLCALL_…, from the environment or an owner-only `.env`."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_FILE = Path(".env")


class UnsafeEnvFile(Exception):
    """The `.env` file can be read by others than its owner."""

    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(
            f"{path}: holds secrets but has mode {mode:04o}, so others can read or change it. "
            f"Run `chmod 600 {path}` and replace the secrets if the machine is shared."
        )


class UnreadableEnvFile(Exception):
    """The `.env` file is there and cannot be read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}. Make it a file of UTF-8 text that this user may read, or remove it.")


def private(path: Path) -> Path | None:
    """The path if there is such a file and only its owner can read and write it; None if there is none."""
    if not path.is_file():
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UnsafeEnvFile(path, mode)
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableEnvFile(path, f"it is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UnreadableEnvFile(path, f"it cannot be read: {error.strerror}") from None
    return path


class Settings(BaseSettings):
    """The settings of one installation. Paths are absolute after loading."""

    model_config = SettingsConfigDict(env_prefix="ROLLCALL_", extra="ignore", frozen=True, env_ignore_empty=True)

    home: Path = Path(".rollcall")
    """Record, signing key, logs and Prefect's own files."""
    mappings: Path | None = None
    """The company's mappings folder; by default ./mappings if it has a company.yaml, else the sample company."""
    database_url: str = ""
    """The record; by default SQLite in home."""
    prefect_port: int = Field(default=4242, ge=1, le=65535)
    """Port of Prefect's server and UI on this machine."""
    prefect_database_url: SecretStr | None = None
    """Prefect's own database; by default SQLite in home. PostgreSQL: postgresql+asyncpg://…"""
    worker_limit: int = Field(default=4, ge=1)
    """Runs at the same time; see docs/engine.md before raising it on SQLite."""
    notify: SecretStr | None = None
    """Whom to tell what waits or went wrong: Apprise URLs, separated by commas. They hold secrets."""
    remind_days: int = Field(default=3, ge=1)
    """Days after which open tasks and approvals are reminded of, and then as often again."""
    late_hours: int = Field(default=4, ge=1)
    """Hours after a leaver's cut-off at which access that is still open is told."""
    webhooks: bool = True
    """Whether `rollcall up` listens for HR's webhooks and asks HR for changes; see docs/webhooks.md."""
    webhook_port: int = Field(default=4243, ge=1, le=65535)
    """Port of the receiver."""
    webhook_host: str = "127.0.0.1"
    """Address on which the receiver listens; the vendor reaches it through a proxy that speaks TLS."""
    webhook_token: SecretStr | None = None
    """Bearer token of whoever may post to /signals; nobody where there is none."""
    signing_key_path: Path | None = None
    """Private key of the evidence packets; by default in home."""

    @field_validator("home")
    @classmethod
    def absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def usable(cls, url: str) -> str:
        if url:
            from sqlalchemy import make_url  # slow to load, and most have no URL
            from sqlalchemy.exc import ArgumentError

            from flows.record.database import normal

            try:
                normal(make_url(url))
            except ArgumentError:
                raise ValueError("it is no database URL; write it like postgresql://user@host/name") from None
        return url

    @model_validator(mode="after")
    def fill(self) -> Settings:
        if self.mappings is None:
            object.__setattr__(self, "mappings", default_mappings())
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.home / 'record.db'}")
        if self.signing_key_path is None:
            object.__setattr__(self, "signing_key_path", self.home / "signing-key.pem")
        return self

    @property
    def mappings_folder(self) -> Path:
        """The mappings folder, absolute."""
        assert self.mappings is not None
        return self.mappings.expanduser().absolute()

    @property
    def signing_key_file(self) -> Path:
        """The signing key's file, absolute."""
        assert self.signing_key_path is not None
        return self.signing_key_path.expanduser().absolute()

    @property
    def api_url(self) -> str:
        """Prefect's API as this machine reaches it."""
        return f"http://127.0.0.1:{self.prefect_port}/api"

    @property
    def webhook_url(self) -> str:
        """Where the receiver listens; the source's name follows after /webhooks/."""
        host = f"[{self.webhook_host}]" if ":" in self.webhook_host else self.webhook_host
        return f"http://{host}:{self.webhook_port}"

    @property
    def ui_url(self) -> str:
        """Prefect's UI as a browser on this machine reaches it."""
        return f"http://127.0.0.1:{self.prefect_port}"


def default_mappings() -> Path:
    """./mappings where it holds a company, else the sample company in the package."""
    own = Path("mappings").absolute()
    return own if (own / "company.yaml").is_file() else Path(str(files("mappings") / "sample"))


def passing_folder() -> str:
    """A folder that goes with this process, for what has to be somewhere and must leave nothing behind."""
    folder = mkdtemp(prefix="rollcall-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def load_settings(env_file: Path = ENV_FILE) -> Settings:
    """Settings from the environment, then `.env`. Raises UnsafeEnvFile, or ValidationError on a bad value."""
    return Settings(_env_file=private(env_file))


def environment(env_file: Path = ENV_FILE) -> dict[str, str]:
    """Values an app's or HR source's `needs` are looked up in: `.env` first overridden by the environment."""
    path = private(env_file)
    from_file = dotenv_values(path) if path else {}
    return {k: v for k, v in from_file.items() if v is not None} | dict(os.environ)
