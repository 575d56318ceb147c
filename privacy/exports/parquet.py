"""Calls as Parquet, with types that a data tool understands."""

import io
from collections.abc import Sequence
from typing import Any

# Columns that are no text; money keeps its ten places.
INTEGERS = {
    *("rate_id", "id_month", "latency_ms", "web_search_requests", "input_tokens"),
    *("output_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("input_audio_tokens", "cached_audio_tokens", "input_image_tokens", "reasoning_tokens"),
    *("output_audio_tokens", "output_image_tokens"),
}
MONEY = {"cost_usd", "catalogue_cost_usd"}
TIMES = {"created_at", "received_at"}


def as_parquet(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return one Parquet file of these rows."""
    import pyarrow as pa  # noqa: PLC0415 - 60 MB that only the worker needs, and only here
    from pyarrow import parquet  # noqa: PLC0415

    def kind(name: str) -> Any:
        if name in INTEGERS:
            return pa.int64()
        if name in MONEY:
            return pa.decimal128(20, 10)
        return pa.timestamp("us", tz="UTC") if name in TIMES else pa.string()

    columns = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        if name == "event_id":
            values = [str(value) for value in values]
        columns.append(pa.array(values, type=kind(name)))
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(columns, names=list(names)), file, compression="zstd")
    return file.getvalue()
