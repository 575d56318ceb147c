"""Make the database and the static files ready for the code that is about to run.

A process of its own (`python -m llmcost.up.prepare`), so that the supervisor need not load a
database driver or Django. When nothing has changed since the last time it loads no Django either.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from llmcost.installation import open_installation
from llmcost.tenancy import roles
from llmcost.up import CannotStart
from llmcost.up.postgres import EmbeddedPostgres

BASE_DIR = Path(__file__).resolve().parent.parent.parent
CODE_DIRS = ("llmcost", "accounts", "projects", "events", "billing", "privacy")


def main() -> int:
    """Prepare everything; on failure say why in one sentence."""
    data_dir = Path(os.environ["LLMCOST_DATA"])
    try:
        _prepare_database(data_dir)
        _collect_static_files(data_dir)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return os.EX_CONFIG
    return 0


def _prepare_database(data_dir: Path) -> None:
    installation = open_installation(data_dir)
    owner = os.environ.get("OWNER_DATABASE_URL", "")
    if not (owner and os.environ.get("APP_DATABASE_URL")):
        outside = os.environ.get("DATABASE_URL", "")
        admin = outside or EmbeddedPostgres(data_dir).admin_dsn
        database = unquote(roles.database_of(outside))
        own_broker = not os.environ.get("CELERY_BROKER_URL")
        roles.bootstrap(admin, installation, database, with_broker=own_broker)
        owner = roles.login_url(admin, roles.OWNER, installation.owner_password, database)
    migrate_if_changed(owner)


def migrate_if_changed(owner_dsn: str) -> None:
    """Migrate, unless this very code has migrated this very database before.

    What it was is a comment on Django's own table of migrations, so that another database, or
    one that was restored, is never taken for prepared.
    """
    code = _digest(_code_files())
    with roles.connect(owner_dsn) as connection:
        roles.check_version(connection)
        row = connection.execute(
            "SELECT obj_description(to_regclass('public.django_migrations'), 'pg_class')"
        ).fetchone()
    if row == (code,):
        return
    _django("migrate", "--no-input", "--verbosity=1")
    with roles.connect(owner_dsn) as connection:
        connection.execute(f"COMMENT ON TABLE django_migrations IS '{code}'")


def _collect_static_files(data_dir: Path) -> None:
    stamp = data_dir / "static.stamp"
    files = [BASE_DIR / "requirements.txt", *_files_below(BASE_DIR / "static")]
    wanted = _digest(files)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _django("collectstatic", "--no-input", "--verbosity=0")
    stamp.write_text(wanted)


def _django(*arguments: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmcost.settings")
    os.environ["LLMCOST_DATABASE_ROLE"] = "owner"
    import django  # noqa: PLC0415 - only when something has changed
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    call_command(*arguments)


def _code_files() -> Iterator[Path]:
    yield BASE_DIR / "requirements.txt"
    for name in CODE_DIRS:
        for path in _files_below(BASE_DIR / name):
            if path.suffix in (".py", ".sql"):
                yield path


def _files_below(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _digest(files: Iterator[Path] | list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(os.fsencode(path.relative_to(BASE_DIR)) + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
