"""Make the database and the static files ready for the code that is about to run.

A process of its own (`python -m llmcost.up.prepare`), so that the supervisor need not load a
database driver or Django. When nothing has changed since the last time it loads no Django either.
"""

import hashlib
import os
import sys
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
        code = code_digest()
        _prepare_database(data_dir, code)
        _collect_static_files(data_dir)
        (data_dir / "prepared").write_text(code)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return os.EX_CONFIG
    return 0


def was_prepared(data_dir: Path) -> bool:
    """Whether this code has been prepared here before; the database may know better."""
    try:
        return (data_dir / "prepared").read_text() == code_digest()
    except OSError:
        return False


def _prepare_database(data_dir: Path, code: str) -> None:
    installation = open_installation(data_dir)
    owner = os.environ.get("OWNER_DATABASE_URL", "")
    if not all(os.environ.get(f"{role}_DATABASE_URL") for role in ("OWNER", "APP", "WORKER")):
        outside = os.environ.get("DATABASE_URL", "")
        admin = outside or EmbeddedPostgres(data_dir).admin_dsn
        database = unquote(roles.database_of(outside))
        own_broker = not os.environ.get("CELERY_BROKER_URL")
        roles.bootstrap(admin, installation, database, with_broker=own_broker)
        owner = roles.login_url(admin, roles.OWNER, installation.owner_password, database)
    _migrate_if_changed(owner, code)


def _migrate_if_changed(owner_dsn: str, code: str) -> None:
    """Migrate, unless this very code has migrated this very database before.

    What it was is a comment on Django's own table of migrations, so that another database, or
    one that was restored, is never taken for prepared.
    """
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


def code_digest() -> str:
    """Return what stands for all code that a migration or a grant can depend on."""
    files = [BASE_DIR / "requirements.txt"]
    for name in CODE_DIRS:
        files += [p for p in _files_below(BASE_DIR / name) if p.suffix in (".py", ".sql")]
    return _digest(files)


def _files_below(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(os.fsencode(path.relative_to(BASE_DIR)) + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
