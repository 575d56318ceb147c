"""Whether this process lives, and whether the installation works."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET
from rest_framework.renderers import JSONRenderer

from llmcost import clock
from llmcost.errors import is_database_down
from llmcost.models import Heartbeat

Report = Callable[[], Mapping[str, str]]

HEARTBEAT_MAX_AGE = timedelta(seconds=30)
# The schema is public: no key is asked for it.
OPEN = {"authentication_classes": [], "permission_classes": [], "renderer_classes": [JSONRenderer]}

_migrated = False
# What an app wants looked at before the installation counts as ready, by name; each returns "ok"
# or what is wrong. Asked only once database and migrations are there.
_further: dict[str, Callable[[], str]] = {}
# What works and should be looked at all the same: each returns a sentence, or nothing.
_warnings: dict[str, Callable[[], str]] = {}
# What is asked besides only when the query names it (`/readyz?privacy`): each returns its lines.
_reports: dict[str, Report] = {}


def add_report(name: str, report: Report) -> None:
    """Have `/readyz?<name>` ask an app's own report as well."""
    _reports[name] = report


def add_check(name: str, check: Callable[[], str]) -> None:
    """Have /readyz ask an app's own check as well."""
    _further[name] = check


def add_warning(name: str, watch: Callable[[], str]) -> None:
    """Have /readyz pass on what somebody should look at, without being unready for it."""
    _warnings[name] = watch


@require_GET
def healthz(request: HttpRequest) -> JsonResponse:
    """Say that the process answers; touches nothing."""
    return JsonResponse({"status": "ok"})


@require_GET
def readyz(request: HttpRequest) -> JsonResponse:
    """Say whether database, migrations and worker are there: 200, or 503 and which is not.

    With the name of a report in the query (`?privacy`) it must hold as well.
    """
    checks = {"database": "unreachable", "migrations": "unknown", "worker": "unknown"}
    warnings: dict[str, str] = {}
    try:
        checks["migrations"] = "ok" if _is_migrated() else "pending"
        checks["database"] = "ok"
        if checks["migrations"] == "ok":
            checks["worker"] = "ok" if _worker_beats() else "silent"
            checks |= {name: check() for name, check in _further.items()}
            warnings = {name: said for name, watch in _warnings.items() if (said := watch())}
            for name in _reports.keys() & request.GET.keys():
                checks |= _reports[name]()
    except Exception as error:
        if not is_database_down(error):
            raise
    ready = all(state == "ok" for state in checks.values())
    return JsonResponse(
        {"status": "ready" if ready else "not_ready", "checks": checks, "warnings": warnings},
        status=200 if ready else 503,
    )


def _is_migrated() -> bool:
    global _migrated  # once migrated, this code stays so: the plan is not computed again
    if _migrated:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    executor = MigrationExecutor(connection)
    _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _worker_beats() -> bool:
    newest = Heartbeat.objects.filter(name="worker").values_list("at", flat=True).first()
    return newest is not None and clock.now() - newest <= HEARTBEAT_MAX_AGE
