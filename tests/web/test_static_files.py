"""Style sheets, icons and vendored files."""

import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.template import engines

STATIC = Path(settings.BASE_DIR) / "static"
ROW = re.compile(r"^\| `(?P<file>[^`]+)` \|.*\| `(?P<hash>[0-9a-f]{64})` \|$", re.MULTILINE)


def test_vendored_files_are_the_ones_that_were_reviewed():
    rows = ROW.findall((STATIC / "vendor/README.md").read_text())
    vendored = {str(file.relative_to(STATIC)) for file in STATIC.glob("vendor/*/*.js")}
    fonts = {str(file.relative_to(STATIC)) for file in STATIC.glob("fonts/*.woff2")}

    assert {file for file, _ in rows} == vendored | fonts
    for file, expected in rows:
        assert hashlib.sha256((STATIC / file).read_bytes()).hexdigest() == expected, file


def test_every_vendored_folder_has_its_licence():
    for folder in STATIC.glob("vendor/*/"):
        assert (folder / "LICENSE").exists(), folder


def test_every_icon_that_a_page_asks_for_exists():
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    asked = set()
    for template in Path(settings.BASE_DIR, "templates").rglob("*.html"):
        text = template.read_text()
        asked |= set(re.findall(r'{% icon "([^"]+)"', text))
        asked |= set(re.findall(r'{% nav_item "[^"]+" "([^"]+)"', text))

    assert asked <= drawn


def test_every_static_file_that_a_page_names_exists():
    for template in Path(settings.BASE_DIR, "templates").rglob("*.html"):
        for name in re.findall(r"""{% static ['"]([^'"]+)['"] %}""", template.read_text()):
            assert (STATIC / name).exists(), f"{template.name}: {name}"


def test_only_the_entries_refer_to_other_files():
    """What is joined into an entry keeps working only if it names no file of its own folder."""
    for sheet in STATIC.glob("css/*/*.css"):
        assert "url(" not in sheet.read_text(), sheet
        assert "@import" not in sheet.read_text(), sheet


def test_style_sheets_use_no_ids_and_no_force():
    for sheet in STATIC.rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
        assert "!important" not in text, sheet
        assert not re.search(r"(^|[\s,>}])#[a-z]", text), sheet


@pytest.fixture
def collected(tmp_path, settings):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {}  # a fresh storage, with that root
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_collecting_joins_each_entry_into_one_hashed_file(collected):
    page = engines["django"].from_string("{% load static %}{% static 'css/app.css' %}").render()
    sheet = (collected / page.removeprefix("/static/")).read_text()

    assert re.fullmatch(r"/static/css/app\.[0-9a-f]{12}\.css", page)
    assert "@import" not in sheet
    assert ".sidebar" in sheet
    for font in re.findall(r'url\("([^"]+)"\)', sheet):
        assert (collected / "css" / font).resolve().exists(), font
    assert (collected / f"{page.removeprefix('/static/')}.br").exists()
