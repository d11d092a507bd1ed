"""Real databases for tests: started on loopback, with a folder, a port and a password of their own, and stopped."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "canary-Pa55word"
VARIABLE = "RECSYS_TEST_DATABASE_PASSWORD"


@dataclass(frozen=True)
class Server:
    """A running database server."""

    url: str
    user: str
    client: Sequence[str]
    """The command that runs SQL from its standard input."""
    environment: dict[str, str]
    log: Path

    def run(self, sql: str) -> None:
        """Run statements as the owner."""
        ended = subprocess.run(
            self.client, input=sql, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, ended.stderr


@contextmanager
def postgresql() -> Iterator[Server]:
    """PostgreSQL from Debian's packages; it logs every statement."""
    initdb, pg_ctl, psql = (binary(name, "postgresql") for name in ("initdb", "pg_ctl", "psql"))
    with _folder("postgres") as (folder, port):
        data, secret, log = folder / "data", folder / "secret", folder / "log"
        secret.write_text(PASSWORD)
        shutil.chown(secret, *_owner("postgres"))
        _as("postgres", initdb, "-D", data, "-U", "owner", f"--pwfile={secret}", "-A", "scram-sha-256", "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c log_statement=all -c log_min_messages=error"
        _as("postgres", pg_ctl, "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield Server(
                url=f"jdbc:postgresql://127.0.0.1:{port}/postgres",
                user="owner",
                client=[psql, "-qv", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", "owner", "postgres"],
                environment={**os.environ, "PGPASSWORD": PASSWORD},
                log=log,
            )
        finally:
            _as("postgres", pg_ctl, "-D", data, "-m", "immediate", "stop")


@contextmanager
def mariadb() -> Iterator[Server]:
    """MariaDB from Debian's packages."""
    mariadbd, install, client = (
        binary(name, "mariadb-server") for name in ("mariadbd", "mariadb-install-db", "mariadb")
    )
    with _folder("nobody") as (folder, port):
        data, log, start = folder / "data", folder / "log", folder / "start.sql"
        start.write_text(  # one statement a line, or the server skips it
            "CREATE DATABASE shop;\n"
            f"CREATE USER 'owner'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON shop.* TO 'owner'@'127.0.0.1';\n"
        )
        _as("nobody", install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal")
        options = [
            "--no-defaults", f"--datadir={data}", f"--socket={folder}/socket", "--bind-address=127.0.0.1",
            f"--port={port}", f"--init-file={start}", "--default-time-zone=+05:00", "--skip-name-resolve",
            "--general-log", f"--general-log-file={log}",
        ]  # fmt: skip
        server = subprocess.Popen(_command("nobody", mariadbd, *options), stderr=subprocess.DEVNULL)
        found = Server(
            url=f"jdbc:mariadb://127.0.0.1:{port}/shop",
            user="owner",
            client=[client, "--no-defaults", "-h", "127.0.0.1", "-P", str(port), "-u", "owner", "shop"],
            environment={**os.environ, "MYSQL_PWD": PASSWORD},
            log=log,
        )
        try:
            _wait_for(found)
            yield found
        finally:
            server.terminate()
            server.wait(60)


def binary(name: str, package: str) -> str:
    """Path of a program of a Debian package, or one sentence on what to install."""
    places = [str(p) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", ""), "/usr/sbin"]))
    if found is None:
        pytest.fail(f"this test starts a real database and {name} is not here; sudo apt-get install -y {package}")
    return found


def _wait_for(server: Server) -> None:
    for _ in range(120):
        ended = subprocess.run(
            server.client, input="SELECT 1", env=server.environment, capture_output=True, text=True, check=False
        )
        if ended.returncode == 0:
            return
        time.sleep(0.5)
    pytest.fail(f"the database did not answer within a minute: {ended.stderr}")


@contextmanager
def _folder(user: str) -> Iterator[tuple[Path, int]]:
    """A folder that the server's user owns, outside of pytest's, which only its own user may enter; and a free port."""
    folder = Path(tempfile.mkdtemp(prefix="recsys-database-"))
    shutil.chown(folder, *_owner(user))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        yield folder, port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owner(user: str) -> tuple[int, int]:
    """Databases refuse to run as root, who hands them to another user; anybody else runs them as themselves."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _as(user: str, *command: object) -> None:
    ended = subprocess.run(_command(user, *command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert ended.returncode == 0, ended.stdout.decode(errors="replace")


def _command(user: str, *command: object) -> list[str]:
    words = [str(word) for word in command]
    return ["runuser", "-u", user, "--", *words] if os.geteuid() == 0 else words
