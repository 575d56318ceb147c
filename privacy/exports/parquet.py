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


class ParquetFile:
    """One Parquet file, made of blocks of rows; kept by column, in a tenth of their space."""

    def __init__(self, names: Sequence[str]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - 40 MB that only the worker needs, and only here

        # The others keep for themselves what was freed.
        pa.set_memory_pool(pa.system_memory_pool())
        self._names = list(names)
        self._batches: list[Any] = []

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows at the end."""
        import pyarrow as pa  # noqa: PLC0415 - see above

        columns = []
        for place, name in enumerate(self._names):
            values = [row[place] for row in rows]
            if name == "event_id":
                values = [str(value) for value in values]
            columns.append(pa.array(values, type=_kind(name)))
        self._batches.append(pa.RecordBatch.from_arrays(columns, names=self._names))

    def content(self) -> bytes:
        """Return the file."""
        import pyarrow as pa  # noqa: PLC0415 - see above
        from pyarrow import parquet  # noqa: PLC0415 - see above

        file = io.BytesIO()
        parquet.write_table(pa.Table.from_batches(self._batches), file, compression="zstd")
        return file.getvalue()


def _kind(name: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - see above

    if name in INTEGERS:
        return pa.int64()
    if name in MONEY:
        return pa.decimal128(20, 10)
    return pa.timestamp("us", tz="UTC") if name in TIMES else pa.string()
