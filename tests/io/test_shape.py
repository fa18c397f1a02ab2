"""Rows of any shape become Parquet, and what is read back is what was written."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
from hypothesis import example, given
from hypothesis import strategies as st

from stages.io.exports.files import Parquet
from stages.io.exports.shape import MOST_KEYS, Shape, Type

keys = st.sampled_from(["a", "b", "role", "arguments"])
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)
tables = st.lists(st.dictionaries(keys, values, max_size=3), max_size=5)


def read(value: Any, kind: Type) -> Any:
    """Return a value as it was before it became Parquet, but for absent keys, which are null now."""
    if value is None:
        return None
    if kind in ("json", {}):
        return orjson.loads(value)
    if isinstance(kind, list):
        return [read(one, kind[0]) for one in value]
    if isinstance(kind, dict):
        return {name: read(value[name], one) for name, one in kind.items()}
    return value


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


@given(tables)
@example([{"a": 2**53 + 1}, {"a": 0.5}])
@example([{"a": 2**63 - 1}, {"a": 1}])
def test_rows_of_any_shape_come_back_from_parquet(rows: list[dict[str, Any]]) -> None:
    shape = Shape()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.parquet"
        with ExitStack() as stack:
            sink = Parquet(path, shape, stack)
            for row in rows:
                sink.write(row)
            sink.finish()
        back = pq.read_table(path).to_pylist()
    if shape.columns:
        assert [without_nulls(read(row, shape.columns)) for row in back] == [without_nulls(row) for row in rows]


def test_an_object_with_too_many_keys_is_json() -> None:
    shape = Shape()
    for number in range(MOST_KEYS + 1):
        shape.see({"ids": {str(number): 1}})
    assert shape.columns == {"ids": "json"}
