"""People as columns of text, a page at a time: some bytes a cell, where records of everybody take hundreds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar, cast

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mappings.feed import UNREADABLE

SIZE = 1000
"""Records that are held as such at the same time, where a vendor's pages are larger or come as one stream."""
SEE = "permission to see "
TEXT = pa.large_string()
R = TypeVar("R")


def table_of(names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> pa.Table:
    """Rows of cells as columns with these names."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return pa.table({name: pa.array(column, TEXT) for name, column in zip(names, columns, strict=True)})


def in_batches(rows: Iterable[R]) -> Iterator[list[R]]:
    """A stream of records, some at a time; at least once, be it with none."""
    stream = iter(rows)
    part = list(islice(stream, SIZE))
    yield part
    while part := list(islice(stream, SIZE)):
        yield part


def ahead(stream: Iterable[R]) -> Iterator[R]:
    """A stream whose next part is fetched while this one is worked on: where only a page leads to the next one."""
    end = object()
    parts = iter(stream)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, end)
        while (part := coming.result()) is not end:
            coming = pool.submit(next, parts, end)
            yield cast(R, part)


def unseen(gaps: Sequence[str]) -> str | None:
    """The cell of UNREADABLE for a person of whom these fields are hidden."""
    return f"{SEE}{', '.join(gaps)}" if gaps else None


def hidden_of_all(tables: Sequence[pa.Table]) -> list[str]:
    """Fields that are hidden of everybody: hidden is not empty, so such a feed must be refused."""
    cells = pa.chunked_array([table[UNREADABLE].combine_chunks() for table in tables], TEXT)
    if cells.null_count or not len(cells):
        return []
    found = [set(text.removeprefix(SEE).split(", ")) for text in cells.unique().to_pylist()]
    return sorted(set.intersection(*found))


def different(tables: Sequence[pa.Table], key: str) -> int:
    """How many different people there are; all without a key count as one."""
    keys = pa.chunked_array([table[key].combine_chunks() for table in tables], TEXT)
    return int(pc.count_distinct(keys, mode="all").as_py())


def laid_over(tables: Sequence[pa.Table], key: str, news: pa.Table) -> list[pa.Table]:
    """The people of the tables, those of `news` as they are there."""
    if not len(news):
        return list(tables)
    newer = news[key].combine_chunks()
    return [*(table.filter(pc.invert(pc.is_in(table[key], value_set=newer))) for table in tables), news]


def frame_of(tables: Sequence[pa.Table], source: str) -> pd.DataFrame:
    """The raw frame of a source (see connectors.hr.base.Source), without UNREADABLE where it says nothing."""
    table = pa.concat_tables(tables).combine_chunks()
    if UNREADABLE in table.column_names and table[UNREADABLE].null_count == len(table):
        table = table.drop_columns([UNREADABLE])
    return numbered(table.to_pandas(types_mapper={TEXT: pd.StringDtype()}.get), source)


def numbered(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """A frame of text with its rows numbered as in a file, where the header is row 1, and with where it is from."""
    frame = frame.set_axis(pd.RangeIndex(2, 2 + len(frame), name="row"))
    frame.attrs = {"source": source}
    return frame
