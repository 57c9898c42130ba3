"""Kafka without an archive: its jars by hash, one configuration file, a formatted folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import string
import tempfile
import uuid
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import requests
from jgo.maven import MavenContext

from tools.errors import OperatorError
from tools.native import cache
from tools.native.commands import Run
from tools.native.settings import Settings
from tools.native.wheels import DEPLOY
from tools.progress import Step

VERSION = "4.3.1"
_DOWNLOADS_AT_ONCE = 6
_TIMEOUT_S = 60
_META = "meta.properties"


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock file."""

    group: str
    name: str
    version: str
    sha256: str


def locked(text: str) -> list[Jar]:
    """Read the lock file: `group:name:version sha256` a line."""
    found: list[Jar] = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinate, sha256 = line.split()
            group, name, version = coordinate.split(":")
            found.append(Jar(group, name, version, sha256))
    return found


def jars(folder: Path) -> Path:
    """Return the folder of Kafka's jars in the cache `folder`, fetching them the first time."""
    return cache.install(folder, f"kafka-{VERSION}", _fetch_all)


def _fetch_all(target: Path) -> None:
    wanted = locked((DEPLOY / "kafka.lock").read_text())
    with (
        tempfile.TemporaryDirectory(dir=target.parent) as downloads,
        Step(f"Fetching Kafka {VERSION}") as step,
        ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
    ):
        context = MavenContext(repo_cache=Path(downloads), timeout=_TIMEOUT_S)
        tasks = [pool.submit(_fetch, context, jar, target) for jar in wanted]
        try:
            for done, task in enumerate(as_completed(tasks), start=1):
                task.result()
                step.update(f"{done} of {len(wanted)} jars")
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch(context: MavenContext, jar: Jar, target: Path) -> None:
    try:
        found = context.project(jar.group, jar.name).at_version(jar.version).artifact().resolve()
    except (requests.RequestException, RuntimeError, OSError) as error:
        raise OperatorError(
            f"{jar.name} {jar.version} could not be fetched ({error}); check that the Maven "
            "repository can be reached, then run the command again."
        ) from error
    found_sha256 = hashlib.sha256(found.read_bytes()).hexdigest()
    if found_sha256 != jar.sha256:
        raise OperatorError(
            f"{found.name} is not the file that deploy/native/kafka.lock pins "
            f"(sha256 {found_sha256}); the repository that served it cannot be trusted."
        )
    shutil.copyfile(found, target / found.name)


def configure(settings: Settings) -> Path:
    """Write the broker's configuration file and return where it is."""
    template = string.Template((DEPLOY / "kafka.properties").read_text())
    target = settings.config / "kafka.properties"
    target.write_text(
        template.substitute(
            KAFKA_PORT=settings.port("kafka"),
            CONTROLLER_PORT=settings.port("kafka-controller"),
            PROXIED_PORT=settings.port("kafka-proxied"),
            PROXY_PORT=settings.port("kafka-proxy"),
            DATA=escaped(str(settings.data / "kafka")),
        )
    )
    return target


def escaped(value: str) -> str:
    """Write `value` for a properties file, which Java reads as Latin-1 with backslash escapes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    codes = [high << 8 | low for high, low in pairs]
    return "".join(chr(code) if 0x20 <= code < 0x7F else f"\\u{code:04x}" for code in codes)


def classpath(jar_folder: Path) -> str:
    """Return what follows `-cp`."""
    return f"{jar_folder}/*"


def format_data(settings: Settings, java: Path, jar_folder: Path) -> None:
    """Give an empty data folder its identity; one that has it is left alone."""
    data = settings.data / "kafka"
    if (data / _META).is_file():
        return
    # Without its identity the folder holds at most the start of an interrupted format.
    shutil.rmtree(data, ignore_errors=True)
    # PostgreSQL's account passes through the folder above it.
    data.mkdir(parents=True, mode=0o700)
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    Run(
        [java, "-cp", classpath(jar_folder), "kafka.tools.StorageTool", "format",
         "--cluster-id", cluster.replace("-", "A", 1) if cluster.startswith("-") else cluster,
         "--config", settings.config / "kafka.properties"],
        remedy="See what it printed below.",
        # Java names files by the locale, whatever the shell's is.
        environ={**os.environ, "LC_ALL": "C.UTF-8"},
    )()  # fmt: skip
