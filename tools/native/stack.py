"""Everything a stack needs before it starts, and the environment its supervisor gets."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tools.env import REPOSITORY, StackEnv
from tools.errors import OperatorError
from tools.native import golang, java, kafka, postgres, secret, sockets
from tools.native.postgres import Postgres
from tools.native.settings import PORT_OFFSETS, Settings
from tools.native.wheels import DEPLOY

HOST = "127.0.0.1"
TENANT = "default"
# Says that this folder is ours, so `ttg clean` may remove it.
_OURS = ".made-by-ttg"
_JAEGER_PAGE = DEPLOY / "jaeger-page"
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "grpc_proxy"}


@dataclass(frozen=True, slots=True)
class Programs:
    """What runs the stack, all of it found or made."""

    java: Path
    kafka_jars: Path
    jaeger: Path
    postgres: Postgres
    supervisor: Path


def is_ours(settings: Settings) -> bool:
    """Tell whether the state folder was made by `claim`."""
    return (settings.state / _OURS).is_file()


def claim(settings: Settings) -> None:
    """Make the state folder ours. Raises `OperatorError` if somebody else's files are in it."""
    settings.state.mkdir(parents=True, exist_ok=True)
    if not any(settings.state.iterdir()):
        (settings.state / _OURS).touch()
    if not is_ours(settings):
        raise OperatorError(
            f"{settings.state} holds files that are not of a stack; "
            "set TTG_STATE_DIR to a new or an empty folder."
        )


def lay_out(settings: Settings) -> None:
    """Make the folders of the state; PostgreSQL's account may pass through to its own."""
    for folder, mode in (
        (settings.state, 0o711),
        (settings.run, 0o700),
        (settings.logs, 0o700),
        (settings.config, 0o700),
        (settings.data, 0o711),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)


def find_programs(settings: Settings) -> Programs:
    """Find each program on this machine, or fetch or build it into the cache."""
    found = Programs(
        java=java.find(settings.cache),
        kafka_jars=kafka.jars(settings.cache),
        postgres=postgres.find(settings),
        supervisor=golang.find(golang.PROCESS_COMPOSE, settings.cache),
        jaeger=golang.find(golang.JAEGER, settings.cache),
    )
    golang.forget_caches(settings.cache)
    return found


def prepare(settings: Settings, programs: Programs, shell: Mapping[str, str]) -> StackEnv:
    """Make data folders, secrets and configuration; return how the stack will be reached."""
    key, _ = secret.of(settings.secrets, "api-key")
    password, is_new_password = secret.of(settings.secrets, "postgres-password")
    kafka.configure(settings)
    kafka.format_data(settings, programs.java, programs.kafka_jars)
    postgres.prepare(programs.postgres, password, is_new_password=is_new_password)
    _put_logs_aside(settings)
    return reached(settings, key, password, shell)


def reached(settings: Settings, key: str, password: str, shell: Mapping[str, str]) -> StackEnv:
    """Return how the stack is reached while it is up."""
    server = f"{HOST}:{settings.port('postgres')}"
    return StackEnv(
        ingest_url=f"http://{HOST}:{settings.port('ingest')}",
        api_key=key,
        glass_url=f"http://{HOST}:{settings.port('glass')}",
        jaeger_url=f"http://{HOST}:{settings.port('jaeger')}",
        otel_exporter_otlp_endpoint=_otlp_endpoint(settings, shell),
        kafka_bootstrap_servers=f"{HOST}:{settings.port('kafka')}",
        # The server has no TLS, whatever PGSSLMODE asks for.
        database_url=f"postgresql://{postgres.DATABASE}:{password}@{server}/{postgres.DATABASE}"
        "?sslmode=disable",
    )


def environment(
    settings: Settings, programs: Programs, env: StackEnv, shell: Mapping[str, str]
) -> dict[str, str]:
    """Return the shell's variables and those that process-compose.yaml names."""
    account = programs.postgres.account
    ours = {
        "TTG_STACK": str(settings.state),
        "TTG_STATE_DIR": str(settings.state),
        "TTG_REPOSITORY": str(REPOSITORY),
        "TTG_DEPLOY": str(DEPLOY),
        "TTG_PYTHON": sys.executable,
        "TTG_LEASH": str(Path(__file__).with_name("leash.py")),
        "TTG_LOGS": str(settings.logs),
        "TTG_SOCKETS": str(sockets.folder(settings)),
        "TTG_CONFIG": str(settings.config),
        "TTG_JAVA": str(programs.java),
        "TTG_KAFKA_CLASSPATH": kafka.classpath(programs.kafka_jars),
        "TTG_JAEGER": str(programs.jaeger),
        "TTG_JAEGER_CONFIG": str(DEPLOY / "jaeger.yaml"),
        "TTG_JAEGER_PAGE": _jaeger_page(settings, programs.jaeger),
        "TTG_POSTGRES": str(programs.postgres.server),
        "TTG_POSTGRES_DATA": str(programs.postgres.data),
        "TTG_POSTGRES_USER": f"{account.uid}:{account.gid}" if account else "",
        "TTG_OTLP_ENDPOINT": env.otel_exporter_otlp_endpoint,
        "TTG_API_KEYS": api_keys(env.api_key, shell),
        "TTG_DATABASE_URL": env.database_url,
        "TTG_ENTITIES": shell.get("DECORATE_ENTITIES") or str(REPOSITORY / "deploy/entities.json"),
    }
    ports = {
        f"TTG_PORT_{name.upper().replace('-', '_')}": str(settings.port(name))
        for name in PORT_OFFSETS
    }
    return {**shell, **without_proxy(shell), **ours, **ports}


def _otlp_endpoint(settings: Settings, shell: Mapping[str, str]) -> str:
    wish = shell.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if wish and not _is_of_a_stack(wish, shell.get("JAEGER_URL", "")):
        return wish
    return own_otlp_endpoint(settings)


def own_otlp_endpoint(settings: Settings) -> str:
    """Return where the Jaeger of this stack takes spans."""
    return f"http://{HOST}:{settings.port('otlp-grpc')}"


def _is_of_a_stack(endpoint: str, jaeger_url: str) -> bool:
    # A shell that has sourced the env file of a stack carries that stack's own endpoint, which is
    # not a wish to export elsewhere.
    distance = PORT_OFFSETS["otlp-grpc"] - PORT_OFFSETS["jaeger"]
    try:
        there, jaeger = urlsplit(endpoint), urlsplit(jaeger_url)
        return there.hostname == jaeger.hostname and there.port == (jaeger.port or 0) + distance
    except ValueError:
        return False


def api_keys(own: str, shell: Mapping[str, str]) -> str:
    """Return the keys that the door takes: those of the shell, and our own, which is printed."""
    theirs = shell.get("INGEST_API_KEYS", "").strip().strip(",")
    return ",".join(filter(None, (theirs, f"{TENANT}={own}")))


def without_proxy(shell: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep what is on this machine away from a proxy, if there is one."""
    if not any(name.lower() in _PROXIES and value for name, value in shell.items()):
        return {}
    return {
        name: ",".join(filter(None, (shell.get(name), HOST, "localhost")))
        for name in ("no_proxy", "NO_PROXY")
    }


def _jaeger_page(settings: Settings, jaeger: Path) -> str:
    # Only our build comes without pages of its own; an empty path keeps a release's.
    is_ours = settings.cache in jaeger.parents
    return str(_JAEGER_PAGE) if is_ours and _JAEGER_PAGE.is_dir() else ""


def _put_logs_aside(settings: Settings) -> None:
    aside = settings.logs / "before"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for log in settings.logs.glob("*.log"):
        log.rename(aside / log.name)


def held_variables() -> dict[str, str]:
    """Return the shell's variables, which pass through to the stages."""
    return dict(os.environ)
