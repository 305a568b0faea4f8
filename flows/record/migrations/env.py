"""Alembic's entry: always online, on the connection and in the transaction that `Database.migrate` opened."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel.sql.sqltypes import AutoString

from flows.record import decided  # noqa: F401  # its tables belong to the metadata
from flows.record.tables import Row, UtcTime


def plain_type(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Write our column types into new migrations as SQLAlchemy's own, so that old ones need none of our code."""
    if kind == "type" and isinstance(item, UtcTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    render_as_batch=True,
    render_item=plain_type,
)
context.run_migrations()
