"""The files that containers read: those of native mode, and the variables of Compose."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from services.topology import PIPELINE
from tools import env
from tools.env import REPOSITORY, StackEnv
from tools.errors import OperatorError
from tools.native import kafka, secret, stack, wheels
from tools.native.settings import Settings

DEPLOY = REPOSITORY / "deploy" / "compose"
# What is reached from this machine; the others stay inside the network of the project.
PUBLISHED = (
    *("ingest", "glass", "jaeger", "jaeger-grpc", "otlp-grpc", "otlp-http"),
    *("kafka", "postgres"),
)
FOR_STAGES = (
    *("OTEL_", "TRACE_", "KAFKA_", "DEAD_LETTERS_", "HEALTH_", "GLASS_"),
    *(f"{hop.stage.upper()}_" for hop in PIPELINE),
)
# Beside the one for all, which is the stack's own as long as nobody sets it.
_ENDPOINTS = tuple(
    f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT" for signal in ("TRACES", "METRICS", "LOGS")
)
# Who is asked inside the network, by name, and by a container of itself.
INSIDE = ("127.0.0.1", "localhost", "kafka", "postgres", "jaeger", "ingest", "glass")
_ENTITIES = "DECORATE_ENTITIES"
_SHARED = ("jaeger.yaml", "postgresql.conf")


def variables(settings: Settings) -> Path:
    """Return the file of the variables; it is there from the first start to `ttg clean`."""
    return settings.config / "compose.env"


def project(settings: Settings) -> str:
    """Return the name under which the engine keeps this stack apart from others."""
    return f"ttg-{hashlib.sha256(str(settings.state).encode()).hexdigest()[:8]}"


def image(settings: Settings) -> str:
    """Return the name of the image of this stack's stages, which no other stack builds over."""
    return project(settings).replace("ttg-", "time-to-glass:", 1)


def lay_down(
    settings: Settings, password: str, reached: StackEnv, shell: Mapping[str, str]
) -> None:
    """Write every file that compose.yaml names. Raises `OperatorError` for an unusable value."""
    _refuse_loopback(settings, reached, shell)
    for name in _SHARED:
        _readable(shutil.copyfile(wheels.DEPLOY / name, settings.config / name))
    _describe_broker(settings)
    _describe_inside(settings, password, reached)
    stages = settings.config / "stages.env"
    secret.write(stages, "".join(_line(name, text) for name, text in _for_stages(shell).items()))
    named = {
        "COMPOSE_PROJECT_NAME": project(settings),
        "COMPOSE_FILE": ":".join(map(str, layers(settings, reached, shell))),
        "TTG_IMAGE": image(settings),
        "TTG_CONFIG": str(settings.config),
        "TTG_STAGES_ENV": str(stages),
        "TTG_POSTGRES_PASSWORD": password,
        "TTG_API_KEYS": stack.api_keys(reached.api_key, shell),
        "TTG_OTLP_ENDPOINT": reached.otel_exporter_otlp_endpoint,
        "TTG_NO_PROXY": _no_proxy(shell),
        **_entities(shell),
        **ports(settings),
    }
    quoted = "".join(_line(name, _quoted(text)) for name, text in named.items())
    secret.write(variables(settings), quoted)


def ports(settings: Settings) -> dict[str, str]:
    """Return the variables that say where the published ports are."""
    return {
        f"TTG_PORT_{name.upper().replace('-', '_')}": str(settings.port(name)) for name in PUBLISHED
    }


def layers(settings: Settings, reached: StackEnv, shell: Mapping[str, str]) -> list[Path]:
    """Return the files that add up to the stack that this shell asks for."""
    found = [DEPLOY / "compose.yaml"]
    if reached.otel_exporter_otlp_endpoint != stack.own_otlp_endpoint(settings):
        found.append(DEPLOY / "new-relic.yaml")
    if _entities_file(shell):
        found.append(DEPLOY / "entities.yaml")
    return found


def _refuse_loopback(settings: Settings, reached: StackEnv, shell: Mapping[str, str]) -> None:
    named = {name: shell.get(name, "") for name in _ENDPOINTS}
    own = stack.own_otlp_endpoint(settings)
    if reached.otel_exporter_otlp_endpoint != own:
        named["OTEL_EXPORTER_OTLP_ENDPOINT"] = reached.otel_exporter_otlp_endpoint
    for name, url in named.items():
        if _is_loopback(url):
            raise OperatorError(
                f"{name}={url} is in a container the container itself; name an address of this "
                "machine that containers reach, or use MODE=native."
            )


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _describe_broker(settings: Settings) -> None:
    """Write the broker's files by the names under which its image looks for them."""
    folder = settings.config / "kafka"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    # Its listeners and its folder are replaced by variables of the container.
    _readable(shutil.copyfile(kafka.configure(settings), folder / "server.properties"))
    _readable(shutil.copyfile(wheels.DEPLOY / "kafka-log4j2.yaml", folder / "log4j2.yaml"))


def _describe_inside(settings: Settings, password: str, reached: StackEnv) -> None:
    """Write the env file of the stack as a container of it would have it."""
    inside = settings.config / "inside"
    inside.mkdir(exist_ok=True)
    there = StackEnv(
        ingest_url="http://ingest:7400",
        api_key=reached.api_key,
        glass_url="http://glass:7401",
        jaeger_url="http://jaeger:16686",
        otel_exporter_otlp_endpoint="http://jaeger:4317",
        kafka_bootstrap_servers="kafka:19092",
        database_url=f"postgresql://ttg:{password}@postgres:5432/ttg?sslmode=disable",
    )
    secret.write(inside / env.ENV_FILE, env.render(there))
    _readable(inside / env.ENV_FILE)


def _entities(shell: Mapping[str, str]) -> dict[str, str]:
    path = _entities_file(shell)
    if path is None:
        return {"TTG_ENTITIES": shell.get(_ENTITIES) or "deploy/entities.json"}
    # The folder and not the file: one that is replaced by another of its name is then seen.
    return {"TTG_ENTITIES": f"/entities/{path.name}", "TTG_ENTITIES_FOLDER": str(path.parent)}


def _entities_file(shell: Mapping[str, str]) -> Path | None:
    named = shell.get(_ENTITIES, "")
    return Path(named).expanduser().resolve() if named and named != "table" else None


def _no_proxy(shell: Mapping[str, str]) -> str:
    # In place of the exceptions of the engine's configuration, so those of the shell go with them.
    named = shell.get("no_proxy") or shell.get("NO_PROXY")
    return ",".join(filter(None, (named, *INSIDE)))


def _for_stages(shell: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in sorted(shell.items()) if name.startswith(FOR_STAGES)}


def _line(name: str, text: str) -> str:
    if "\n" in text:
        raise OperatorError(f"{name} has more than one line, which no container can be given.")
    return f"{name}={text}\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"\'") + "'"


def _readable(path: Path) -> None:
    # Its folder keeps it from others here; in a container another account reads it.
    path.chmod(0o644)
