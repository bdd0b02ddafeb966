"""Our Redis transport where something is odd: items that are no messages, a full or forgetful server, TLS."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.redis_forms import redis_at_socket
from tests.support.services import eventually, missing
from tests.support.transport_consumers import consumer, drain
from tests.support.transport_site import Store, atomic, put, stock
from underbutler.broker import queue_depth
from underbutler.embedded.process import Guard, Process, ProcessFailedError, free_port
from underbutler.embedded.servers import find_redis, start_redis
from underbutler.errors import UsageError
from underbutler.settings import Settings
from workers.transport.scripts import POISON_HEADER, POISON_TYPE
from workers.transport.transport import Transport, worker_transport

NO_MESSAGES = {
    b"this is not JSON": "not JSON",
    b"\xff\xfe\x00": "not JSON",
    b'["a", "list"]': "is not a JSON object",
    b'"a text"': "is not a JSON object",
    b"{}": "no properties",
    b'{"body": "e30=", "headers": {}}': "no properties",
    b'{"body": "e30=", "headers": {}, "properties": {"delivery_info": {}}}': "no delivery tag",
    b'{"body": "e30=", "headers": {}, "properties": {"delivery_tag": "t"}}': "no delivery_info",
    b'{"body": "e30=", "headers": null, "properties": {"delivery_tag": "t", "delivery_info": {}}}': "no headers",
}


@pytest.mark.parametrize("item", NO_MESSAGES)
def test_an_item_that_is_no_message_comes_wrapped_and_booked(site: Settings, store: Store, item: bytes) -> None:
    put(site, "a", "behind it")
    store.client.rpush("underbutler:a", item)
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "a")
        drain(opened, got, 2)
        assert got[0].content_type == POISON_TYPE
        assert bytes.fromhex(got[0].body.decode()) == item
        assert NO_MESSAGES[item] in got[0].headers[POISON_HEADER]
        assert got[0].delivery_tag in store.booked()
        assert got[1].decode() == "behind it"
        got[0].ack()
        got[1].ack()
        eventually(lambda: store.booked() == {}, 10, "both acknowledged")


@pytest.mark.parametrize("changed", [{"body": "abc"}, {"properties": {"body_encoding": "rot13"}}, {"headers": ["a"]}])
def test_an_envelope_that_python_cannot_read_comes_wrapped(
    site: Settings, store: Store, changed: dict[str, Any]
) -> None:
    put(site, "a", "behind it")
    envelope = store.waiting("a")[0]
    envelope["properties"] |= {"delivery_tag": "another"} | changed.pop("properties", {})
    store.client.rpush("underbutler:a", json.dumps(envelope | changed))
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "a")
        drain(opened, got, 2)
        assert got[0].content_type == POISON_TYPE
        assert json.loads(bytes.fromhex(got[0].body.decode())) == envelope | changed
        assert got[1].decode() == "behind it"


def test_a_redis_without_memory_keeps_the_message_in_its_queue(site: Settings, store: Store) -> None:
    put(site, "a", "kept")
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "a")
        store.client.config_set("maxmemory", 1)
        try:
            with pytest.raises(TimeoutError):
                opened.drain_events(timeout=1.5)
            assert store.bodies("a") == ["kept"]
            assert store.booked() == {}
        finally:
            store.client.config_set("maxmemory", 0)
        drain(opened, got, 1)


def test_a_redis_that_forgot_the_script_is_told_it_again(site: Settings, store: Store) -> None:
    put(site, "a", 1)
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "a")
        drain(opened, got, 1)
        store.client.script_flush()
        put(site, "a", 2)
        drain(opened, got, 2)
        store.client.script_flush()
        for message in got:
            message.ack()
        eventually(lambda: store.booked() == {}, 10, "both acknowledged")


def test_one_message_can_be_taken_at_once_and_put_back(site: Settings, store: Store) -> None:
    put(site, "a", 1, 2)
    with atomic(site) as opened:
        channel = opened.default_channel
        message = channel.basic_get("a")
        assert message.decode() == 1
        assert len(store.booked()) == 1
        channel.basic_reject(message.delivery_tag, requeue=True)
        assert store.bodies("a") == [2, 1]
        assert store.booked() == {}
        assert channel.basic_get("b") is None


def test_counts_are_of_what_waits_and_of_what_is_out(site: Settings) -> None:
    put(site, "a", *range(5))
    put(site, "b", *range(3))
    got: list[Any] = []
    with atomic(site) as opened, stock(site) as other:
        consumer(opened, got, "a", "b", prefetch=3)
        drain(opened, got, 3)
        out = {name: sum(message.delivery_info["routing_key"] == name for message in got) for name in "ab"}
        for source in (opened, other):
            for name, sent in (("a", 5), ("b", 3)):
                depth = queue_depth(source, site, name)
                assert (depth.ready, depth.unacked) == (sent - out[name], out[name])
        assert queue_depth(other, site, "empty").ready == 0


def test_priorities_are_refused_with_the_cure(site: Settings) -> None:
    with (
        pytest.raises(UsageError, match=r"priority_steps.*REDIS_TRANSPORT=stock"),
        atomic(site, priority_steps=[0, 5]) as opened,
    ):
        opened.connect()
    with (
        pytest.raises(UsageError, match=r"queue_order_strategy.*sorted"),
        atomic(site, queue_order_strategy="sorted") as opened,
    ):
        opened.connect()


def test_redis_over_a_socket_with_a_user_of_its_own(settings: Settings) -> None:
    with Guard() as guard, redis_at_socket(guard, "--user", *["ann", "on", ">secret", "~*", "&*", "+@all"]) as path:
        site = settings.model_copy(update={"broker_url": f"redis+socket://ann:secret@{path}?virtual_host=3"})
        put(site, "a", "by the socket")
        got: list[Any] = []
        with atomic(site) as opened:
            consumer(opened, got, "a")
            drain(opened, got, 1)
            assert isinstance(opened.transport, Transport)
            assert queue_depth(opened, site, "a").unacked == 1


@pytest.mark.parametrize(
    ("url", "transport"),
    [
        ("redis://h:1/0", "underbutler-redis"),
        ("rediss://h:1/0", "underbutler-rediss"),
        ("sentinel://h:1;sentinel://g:1", None),
        ("redis+socket:///tmp/redis.sock", None),
        ("redis://h:1/0;redis://g:1/0", None),
        ("amqp://h:1//", None),
    ],
)
def test_which_brokers_get_the_atomic_transport(settings: Settings, url: str, transport: str | None) -> None:
    there = settings.model_copy(update={"broker_url": url})
    assert worker_transport(there).get("broker_transport") == transport
    assert worker_transport(there.model_copy(update={"redis_transport": "stock"})) == {}


def test_a_connection_whose_other_end_is_silent_is_given_up(settings: Settings, tmp_path: Path) -> None:
    with Guard() as guard:
        server = start_redis(tmp_path / "redis", guard=guard)
        site = settings.model_copy(update={"broker_url": server.url})
        with atomic(site, health_check_interval=1, socket_timeout=1) as opened:
            consumer(opened, [], "a")
            with suppress(TimeoutError):
                opened.drain_events(timeout=0.5)
            (channel,) = (channel for channel in opened.transport.channels if channel.active_queues)
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                (waiter,) = channel._waiters.values()
                eventually(
                    lambda: channel.drop_stale() or waiter.connection._sock is None, 20, "the end of the connection"
                )
                assert waiter.asked_at is None
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
            put(site, "a", "after it")
            got: list[Any] = []
            consumer(opened, got, "a")
            drain(opened, got, 1)
        server.process.stop()


def test_redis_over_tls(settings: Settings, tmp_path: Path) -> None:
    with Guard() as guard, tls_redis(tmp_path, guard) as url:
        site = settings.model_copy(update={"broker_url": url})
        put(site, "a", "over TLS")
        got: list[Any] = []
        with atomic(site) as opened:
            consumer(opened, got, "a")
            drain(opened, got, 1)
            assert opened.transport.client.ssl
        plain = site.model_copy(update={"broker_url": url.partition("?")[0]})
        with atomic(plain) as opened:
            consumer(opened, got, "a")
            drain(opened, got, 2)


@contextmanager
def tls_redis(folder: Path, guard: Guard) -> Iterator[str]:
    """Run a Redis server that speaks TLS only; its certificate is its own authority."""
    program = find_redis()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    port = free_port()
    options = {
        "port": 0,
        "tls-port": port,
        "tls-cert-file": folder / "cert.pem",
        "tls-key-file": folder / "key.pem",
        "tls-ca-cert-file": folder / "cert.pem",
        "tls-auth-clients": "no",
        "save": "",
        "bind": "127.0.0.1",
    }
    words = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
    process = Process("redis", [program, *words], guard=guard, directory=folder)
    url = f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=required&ssl_ca_certs={folder}/cert.pem"

    def answers() -> bool:
        with suppress(redis.ConnectionError), redis.Redis.from_url(url) as client:
            return bool(client.ping())
        return False

    try:
        process.wait_until(answers, 20)
    except ProcessFailedError as error:
        if "tls" in str(error).lower():
            missing("Redis with TLS", "a redis-server that was built with it")
        raise
    yield url
    process.stop()
