"""The proxy that fails on purpose."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.faults.processes import happens
from tests.faults.proxy import HOST, LostCommit, LostKafkaAnswer, Proxy

LIMIT_S = 5.0
FRAME_BYTES = 12


class Echo:
    """A server that answers with what it is sent, and keeps it."""

    def __init__(self) -> None:
        self.listening = socket.create_server((HOST, 0))
        self.got = bytearray()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return self.listening.getsockname()[1]

    def _serve(self) -> None:
        while True:
            connection, _ = self.listening.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while data := connection.recv(65_536):
                self.got += data
                connection.sendall(data)


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@contextmanager
def through(echo: Echo, *, has_frames: bool = False) -> Iterator[tuple[Proxy, socket.socket]]:
    with Proxy(0, echo.port, has_frames=has_frames).listening() as proxy:
        with socket.create_connection((HOST, proxy.port), LIMIT_S) as client:
            yield proxy, client


def ask(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(65_536)


def is_cut(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except OSError as error:
        return not isinstance(error, TimeoutError)


def test_what_is_sent_comes_through_and_back(echo: Echo) -> None:
    with through(echo) as (proxy, client):
        assert ask(client, b"hello") == b"hello"
        assert proxy.passed_bytes == 10


def test_latency_counts_both_ways(echo: Echo) -> None:
    with through(echo) as (proxy, client):
        proxy.weather.latency_s = 0.1
        began = time.monotonic()

        assert ask(client, b"hello") == b"hello"
        assert time.monotonic() - began >= 0.2


def test_a_narrow_link_takes_its_time(echo: Echo) -> None:
    with through(echo) as (proxy, client):
        proxy.weather.bytes_per_s = 10_000
        began = time.monotonic()

        assert ask(client, b"x" * 1_000)
        assert time.monotonic() - began >= 0.1


def test_what_meets_a_deaf_ear_waits_and_then_comes(echo: Echo) -> None:
    with through(echo) as (proxy, client):
        client.settimeout(0.3)
        with proxy.deaf("to_client"):
            client.sendall(b"hello")
            with pytest.raises(TimeoutError):
                client.recv(10)
        client.settimeout(LIMIT_S)

        assert client.recv(10) == b"hello"
        assert proxy.held == 1


def test_a_cut_resets_who_is_connected(echo: Echo) -> None:
    with through(echo) as (proxy, client):
        ask(client, b"hello")

        assert proxy.cut() == 1
        assert is_cut(client)


def test_without_a_server_nobody_is_let_in() -> None:
    with socket.create_server((HOST, 0)) as once:
        port = once.getsockname()[1]
    with Proxy(0, port).listening() as proxy, socket.socket() as client:
        client.settimeout(LIMIT_S)
        client.connect_ex((HOST, proxy.port))

        assert is_cut(client)
        assert proxy.connections == 0


def test_the_answer_to_a_commit_is_lost_after_it_worked(echo: Echo) -> None:
    with through(echo) as (proxy, client):
        proxy.weather.wish = wish = LostCommit(every=2)
        first = ask(client, b"Q....COMMIT;")
        before = len(echo.got)
        client.sendall(b"Q....COMMIT;")

        assert first
        assert is_cut(client)
        assert len(echo.got) > before
        assert wish.happened == 1


def test_a_commit_is_lost_before_it_worked(echo: Echo) -> None:
    with through(echo) as (proxy, client):
        proxy.weather.wish = LostCommit(every=1, is_before=True)
        before = len(echo.got)
        client.sendall(b"Q....COMMIT;")

        assert is_cut(client)
        assert len(echo.got) == before


def frame(api_key: int, correlation: int) -> bytes:
    """A request of Kafka; echoed, its key and version stand where an answer has its id."""
    return struct.pack(">ihhi", 8, api_key, 9, correlation)


class Broker(Echo):
    """Answers with the correlation id alone, as a broker begins its answers."""

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while request := connection.recv(FRAME_BYTES, socket.MSG_WAITALL):
                self.got += request
                connection.sendall(struct.pack(">i", 4) + request[8:12])


def test_of_a_brokers_answers_the_one_that_is_meant_is_lost() -> None:
    broker = Broker()
    with through(broker, has_frames=True) as (proxy, client):
        proxy.weather.wish = wish = LostKafkaAnswer(LostKafkaAnswer.PRODUCE, every=2)
        fetch, first, second = frame(1, 5), frame(0, 6), frame(0, 7)

        assert ask(client, fetch)[4:] == struct.pack(">i", 5)
        assert ask(client, first)[4:] == struct.pack(">i", 6)
        client.sendall(second)
        assert is_cut(client)
        assert happens(lambda: wish.happened == 1, LIMIT_S)
        assert broker.got == fetch + first + second
