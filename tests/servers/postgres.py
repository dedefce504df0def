"""A real PostgreSQL for tests: a private cluster in a temporary folder, on loopback, with a password and a passfile."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from pdm_platform.local.processes import free_port

READY_WITHIN_S = 30.0
USER = DATABASE = "dagster"


def _binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: on PATH, else the newest that Debian installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return installed[-1].parent if installed else None


needs_postgres = pytest.mark.skipif(
    _binaries() is None, reason="no PostgreSQL here: Debian's package `postgresql` brings it"
)


@dataclass
class Postgres:
    """A running server. `url` has no password: libpq takes it from `passfile`."""

    folder: Path
    binaries: Path
    port: int
    account: Mapping[str, Any]
    passfile: Path = field(repr=False)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder), "-c", "fsync=off"]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self.account,
            )
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline_s = time.monotonic() + READY_WITHIN_S
        while subprocess.run(ready, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"PostgreSQL does not start: {(self.folder / 'postgres.log').read_text()[-2_000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGINT, PostgreSQL's fast shutdown, and wait until it has ended."""
        if self.process is not None:
            self.process.send_signal(2)
            self.process.wait(timeout=20)
            self.process = None


def _account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it is the user that its package made."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user `postgres`")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _initialised(folder: Path, binaries: Path, account: Mapping[str, Any]) -> str:
    """Make the cluster; returns the password."""
    password, given = secrets.token_urlsafe(24), folder / "given"
    given.write_text(password)
    if account:
        for path in (folder, given):
            os.chown(path, account["user"], account["group"])
    subprocess.run(
        [
            binaries / "initdb",
            *("-D", folder / "data", "-U", USER, f"--pwfile={given}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **account,
    )
    given.unlink()
    return password


@contextmanager
def running_postgres(passfile: Path) -> Iterator[Postgres]:
    """A server with the empty database `dagster`; `passfile` is written with what its user needs to come in."""
    binaries = _binaries()
    assert binaries is not None, "mark the test with needs_postgres"
    account = _account()
    # not below pytest's own folder, which no other user may enter
    with tempfile.TemporaryDirectory(prefix="pdm-postgres-") as name:
        folder = Path(name)
        password = _initialised(folder, binaries, account)
        server = Postgres(folder, binaries, free_port(), account, passfile)
        passfile.touch(mode=0o600)
        passfile.write_text(f"127.0.0.1:{server.port}:*:{USER}:{password}\n")
        server.start()
        try:
            with_postgres = {"host": "127.0.0.1", "port": server.port, "user": USER, "passfile": str(passfile)}
            connection = psycopg2.connect(dbname="postgres", **with_postgres)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
            connection.close()
            yield server
        finally:
            server.stop()
