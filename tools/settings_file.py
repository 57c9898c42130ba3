"""Settings of the stages from a file: `NAME=value` a line, as `make tune` recommends them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AliasChoices, AliasPath, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from libs.kafka.settings import KafkaSettings
from libs.stage.settings import DeadLetterSettings, HealthSettings
from libs.tracing.settings import ExportSettings, SamplingSettings, TraceSettings
from services.decorate.settings import Settings as DecorateSettings
from services.glass.settings import Settings as GlassSettings
from services.ingest.settings import Settings as IngestSettings
from services.normalize.settings import Settings as NormalizeSettings
from services.sink.settings import Settings as SinkSettings
from services.topology import PARTITIONS, PIPELINE
from tools.errors import OperatorError

_OF_STAGES: tuple[type[BaseSettings], ...] = (
    IngestSettings,
    NormalizeSettings,
    DecorateSettings,
    SinkSettings,
    GlassSettings,
)
_READ_BY_STAGES: tuple[type[BaseSettings], ...] = (
    KafkaSettings,
    HealthSettings,
    DeadLetterSettings,
    *_OF_STAGES,
    TraceSettings,
    SamplingSettings,
    ExportSettings,
)
# Where the parts of a stack find each other, which no file can know.
_OF_THE_STACK = frozenset(
    (
        *("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "TTG_REPLICA"),
        *("INGEST_HOST", "INGEST_PORT", "INGEST_API_KEYS"),
        *("GLASS_HOST", "GLASS_PORT", "GLASS_PUBLISHED_ON"),
        *("HEALTH_HOST", "HEALTH_PORT", "HEALTH_SOCKET"),
    )
)
# Where spans go, with user and password at worst; the SDK reads it.
_OF_THE_SHELL = frozenset({"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"})
_REPLICAS = {f"{hop.stage.upper()}_REPLICAS": hop.stage for hop in PIPELINE if hop.reads}
_Replicas = TypeAdapter(int)
# What the stack says of itself when it is up; any will do to look at what a file says.
_STANDING_IN = {"INGEST_API_KEYS": "tenant=key", "DATABASE_URL": "postgresql://database"}


@dataclass(frozen=True, slots=True)
class StageSettingsFile:
    """What a file says; `variables` by name, `replicas` by stage."""

    text: str = ""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    replicas: Mapping[str, int] = field(default_factory=dict[str, int])

    def under(self, shell: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a shell, which win, and those of the file."""
        return {**self.variables, **shell}


def read(path: Path, shell: Mapping[str, str] = os.environ) -> StageSettingsFile:
    """Read a file. Raises `OperatorError` naming the line that is wrong, or those that contradict.

    What a shell says wins, so a line may contradict that too.
    """
    try:
        found = parse(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The settings in {path} cannot be read: {error}.") from error
    _check_together(found.under(shell), str(path))
    return found


def parse(text: str, name: str) -> StageSettingsFile:
    """Read settings from a text. Raises `OperatorError` with the line of `name` that is wrong."""
    variables: dict[str, str] = {}
    replicas: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        where = f"{name}, line {number}"
        variable, value = _split(words, where)
        if variable in variables or _REPLICAS.get(variable) in replicas:
            raise OperatorError(f"{where}: {variable} is set for the second time.")
        if variable in _REPLICAS:
            replicas[_REPLICAS[variable]] = _replicas(variable, value, where)
        else:
            _check(variable, value, where)
            variables[variable] = value
    return StageSettingsFile(text, variables, replicas)


def _check_together(variables: Mapping[str, str], name: str) -> None:
    """Make the settings of each stage as it would itself: it may refuse them all together."""
    for settings in _OF_STAGES:
        try:
            _made(settings, {**_STANDING_IN, **variables})
        except ValidationError as error:
            first = error.errors()[0]
            said = ": ".join((*map(str, first["loc"]), first["msg"].removeprefix("Value error, ")))
            raise OperatorError(f"{name}, with what the shell says: {said}.") from error


def _made(settings: type[BaseSettings], variables: Mapping[str, str]) -> BaseSettings:
    given: dict[str, Any] = {}
    for name, one in settings.model_fields.items():
        variable = _variable(settings, name, one)
        if (part := _part(one)) is not None:
            given[name] = _made(part, variables)
        elif variable in variables:
            given[variable if one.validation_alias else name] = variables[variable]
    return settings(**given)


def _split(line: str, where: str) -> tuple[str, str]:
    variable, sign, value = line.removeprefix("export ").partition("=")
    if not sign or not variable.strip():
        raise OperatorError(f"{where}: {line!r} is not NAME=value.")
    return variable.strip(), value.strip().strip("'\"")


def _check(variable: str, value: str, where: str) -> None:
    if variable in _OF_THE_STACK:
        raise OperatorError(f"{where}: {variable} is set by the stack itself; leave it out.")
    known = _known()
    if variable not in known:
        near = difflib.get_close_matches(variable, [*known, *_REPLICAS], n=1)
        meant = f" Is {near[0]} meant?" if near else ""
        raise OperatorError(f"{where}: no stage has a setting {variable}.{meant}")
    adapter = known[variable]
    if adapter is None:
        raise OperatorError(
            f"{where}: {variable} belongs in the shell of `make up`, because it is or may hold a "
            "secret."
        )
    _validate(adapter, variable, value, where)


def _replicas(variable: str, value: str, where: str) -> int:
    count = _validate(_Replicas, variable, value, where)
    if not 1 <= count <= PARTITIONS:
        raise OperatorError(
            f"{where}: {variable}={value} is not from 1 to {PARTITIONS}, the partitions there are."
        )
    return count


def _validate(adapter: TypeAdapter[Any], variable: str, value: str, where: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise OperatorError(f"{where}: {variable}={value} is wrong: {said}.") from error


def _known() -> dict[str, TypeAdapter[Any] | None]:
    """What checks a value, by the name of its variable; nothing does for a secret."""
    known = {name: adapter for each in _READ_BY_STAGES for name, adapter in _fields(each)}
    return {**known, **dict.fromkeys(_OF_THE_SHELL)}


def _fields(settings: type[BaseSettings]) -> Iterator[tuple[str, TypeAdapter[Any] | None]]:
    for name, one in settings.model_fields.items():
        if _part(one) is not None:
            continue
        constrained: Any = (
            Annotated[one.annotation, *one.metadata] if one.metadata else one.annotation
        )
        is_secret = any(issubclass(kind, SecretStr) for kind in _kinds(one))
        adapter = None if is_secret else TypeAdapter[Any](constrained)
        yield _variable(settings, name, one), adapter


def _variable(settings: type[BaseSettings], name: str, one: FieldInfo) -> str:
    alias = one.validation_alias
    assert not isinstance(alias, AliasChoices | AliasPath)
    return alias or f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def _part(one: FieldInfo) -> type[BaseSettings] | None:
    """A part of its own, with names of its own."""
    return next((kind for kind in _kinds(one) if issubclass(kind, BaseSettings)), None)


def _kinds(one: FieldInfo) -> list[type]:
    kinds = get_args(one.annotation) or (one.annotation,)
    return [kind for kind in kinds if isinstance(kind, type)]
