"""Who runs the service with us: one file, from which pages and notices are made."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from llmcost.inventory import Recipient

FILE = Path(__file__).parent / "subprocessors.toml"


@dataclass(frozen=True, slots=True)
class Processor:
    """One company that works for us, and what for; `company` is empty until it is named."""

    recipient: Recipient
    company: str
    does: str

    @property
    def name(self) -> str:
        """The company and what it is, or only the latter."""
        known = self.company and self.company != self.recipient
        return f"{self.company} ({self.recipient})" if known else str(self.recipient)


@cache
def facts() -> dict[str, Any]:
    """Return the file's head: version, updated, effective, material, summary."""
    return tomllib.loads(FILE.read_text())


def processors() -> tuple[Processor, ...]:
    """Return all processors. Raises KeyError for a recipient that no column can name."""
    return tuple(
        Processor(Recipient[one["recipient"]], one["company"], one["does"])
        for one in facts()["processor"]
    )
