"""Cells of a CSV file that a spreadsheet shows and never runs."""

# A spreadsheet runs a cell that begins so; a quote before it makes it text (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def text_cell(text: str) -> str:
    """Return a text that somebody else chose, so that it stays a text."""
    return f"'{text}" if text.startswith(FORMULA) else text
