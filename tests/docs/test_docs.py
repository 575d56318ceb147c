"""The docs name everything that users rely on, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from events.ingest.wire import FIELDS
from events.reports.parse import KNOWN
from llmcost import errors

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")]
TEXT = "\n".join(page.read_text() for page in PAGES)
SETTINGS = (ROOT / "llmcost/settings.py").read_text()
VARIABLES = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', SETTINGS))
CODES = {
    one.code
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, errors.AppError)
}
COMMANDS = [path.stem for path in ROOT.glob("*/management/commands/[a-z]*.py")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|mailto:)([^)#]*)", page.read_text())

    assert [link for link in links if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_is_in_the_api_page(name):
    assert f"`{name}`" in (ROOT / "docs/api.md").read_text()


@pytest.mark.parametrize(
    "code",
    sorted({*CODES, "invalid_field", "content_not_accepted", "unknown_field", "user_erased"}),
)
def test_every_error_code_is_in_the_api_page(code):
    assert code in (ROOT / "docs/api.md").read_text()


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_parameter_is_in_the_api_page(name):
    assert name in (ROOT / "docs/api.md").read_text()


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_of_the_environment_is_documented(name):
    assert f"`{name}`" in (ROOT / "docs/self-hosting.md").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name):
    assert name in TEXT
