"""Inside Redis: a message is booked in the step that takes it, under stock kombu's keys, and goes back where it was."""

from __future__ import annotations

import json
import os
import signal
import threading
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
from kombu import Connection

from tests.support.services import eventually, missing
from tests.support.transport_site import Store, atomic, put, queue_named, stock
from underbutler.broker import queue_depth
from underbutler.embedded.process import Guard, Process, ProcessFailedError, free_port
from underbutler.embedded.servers import find_redis, start_redis
from underbutler.errors import UsageError
from underbutler.settings import Settings
from workers.transport.scripts import POISON_HEADER, POISON_TYPE
from workers.transport.transport import worker_transport


@pytest.fixture
def site(settings: Settings, redis_url: str) -> Settings:
    return settings.model_copy(update={"broker_url": redis_url})


@pytest.fixture
def store(site: Settings) -> Iterator[Store]:
    opened = Store(site)
    yield opened
    opened.client.close()


def consumer(opened: Connection, got: list[Any], *queues: str, prefetch: int = 0) -> Any:
    made = opened.Consumer([queue_named(name) for name in queues], prefetch_count=prefetch, accept=["json"])
    made.on_message = got.append
    made.consume()
    return made


def drain(opened: Connection, got: list[Any], n_messages: int) -> None:
    def look() -> bool:
        with suppress(TimeoutError):
            opened.drain_events(timeout=0.2)
        return len(got) >= n_messages

    eventually(look, 20, f"{n_messages} messages")


def abandon(opened: Connection) -> None:
    """Leave a connection as SIGKILL does: nothing is said, nothing given back."""
    for channel in list(opened.transport.channels):
        channel._disconnect_pools()
        channel.do_restore = False
        channel.qos._on_collect.cancel()


def test_a_message_is_booked_as_stock_kombu_books_it(site: Settings, store: Store) -> None:
    put(site, "reduce", {"n": 1})
    (sent,) = store.waiting("reduce")
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "reduce")
        drain(opened, got, 1)
        assert store.waiting("reduce") == []
        assert store.booked() == {sent["properties"]["delivery_tag"]: [sent, "", "reduce"]}
        assert set(store.index()) == set(store.booked())
        got[0].ack()
        eventually(lambda: store.booked() == {} and store.index() == {}, 10, "nothing booked")
    assert store.waiting("reduce") == []


def test_every_key_has_the_prefix(site: Settings, store: Store) -> None:
    put(site, "reduce", 1, 2)
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "reduce")
        drain(opened, got, 2)
        keys = {key.decode() for key in store.client.scan_iter()}
    assert keys
    assert all(key.startswith("underbutler:") for key in keys), keys


def test_queues_are_taken_from_in_turn(site: Settings) -> None:
    for name in ("a", "b", "c"):
        put(site, name, *(f"{name}{n}" for n in range(4)))
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "a", "b", "c", prefetch=2)
        while len(got) < 12:
            drain(opened, got, len(got) + 1)
            for message in got:
                if not message.acknowledged:
                    message.ack()
    words = [message.decode() for message in got]
    assert sorted(words) == sorted(f"{name}{n}" for name in "abc" for n in range(4))
    for name in "abc":
        assert [word for word in words if word[0] == name] == [f"{name}{n}" for n in range(4)], "first in, first out"
    for n in range(4):
        assert {word[0] for word in words[3 * n : 3 * n + 3]} == set("abc"), "none waits for another's end"


def test_waiting_takes_nothing_and_ends_with_any_queues_message(site: Settings, store: Store) -> None:
    got: list[Any] = []

    def waiting() -> bool:
        return sum(client["cmd"] == "blmove" and "b" in client["flags"] for client in store.client.client_list()) == 2

    with atomic(site) as opened:
        consumer(opened, got, "a", "b")
        draining = threading.Thread(target=drain, args=(opened, got, 1))
        draining.start()
        eventually(waiting, 10, "two connections that wait")
        put(site, "b", "late")
        draining.join(20)
        assert got[0].decode() == "late"


def test_no_more_is_taken_than_the_prefetch_allows(site: Settings, store: Store) -> None:
    put(site, "reduce", *range(5))
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "reduce", prefetch=2)
        drain(opened, got, 2)
        with pytest.raises(TimeoutError):
            opened.drain_events(timeout=0.5)
        assert len(store.booked()) == 2
        assert store.bodies("reduce") == [2, 3, 4]
    assert store.bodies("reduce") == [0, 1, 2, 3, 4], "closing gives back, in order"
    assert store.booked() == {}


def test_stock_kombu_gives_back_what_our_transport_had_booked(site: Settings, store: Store) -> None:
    put(site, "a", "lost worker's")
    put(site, "b", "another")
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "a")
        drain(opened, got, 1)
        abandon(opened)
        assert len(store.booked()) == 1
        with stock(site) as other:
            other.default_channel.visibility_timeout = -1
            other.default_channel.qos.restore_visible(num=10, interval=1)
    assert store.booked() == {}
    assert store.bodies("a") == ["lost worker's"]
    assert store.bodies("b") == ["another"], "only into its own queue"
    assert store.waiting("a")[0]["headers"]["redelivered"] is True


@pytest.mark.parametrize("bound", [True, False])
def test_our_transport_gives_back_what_stock_kombu_had_booked(site: Settings, store: Store, bound: bool) -> None:
    """Stock kombu drops a message whose exchange has lost its bindings; here it goes to the queue of its name."""
    put(site, "a", "lost worker's")
    with stock(site) as dead:
        message = dead.default_channel.basic_get("a")
        dead.default_channel.qos._delivered.clear()
        assert message is not None
    assert len(store.booked()) == 1
    if not bound:
        store.client.delete("underbutler:_kombu.binding.a")
    with atomic(site, visibility_timeout=-1) as opened:
        opened.default_channel.qos.restore_visible()
    assert store.booked() == {}
    assert store.bodies("a") == ["lost worker's"]


def test_what_is_booked_for_less_than_the_timeout_stays_booked(site: Settings, store: Store) -> None:
    put(site, "a", 1)
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "a")
        drain(opened, got, 1)
        with atomic(site, visibility_timeout=60) as other:
            other.default_channel.qos.restore_visible()
        assert len(store.booked()) == 1
        assert store.waiting("a") == []


def test_a_booking_that_another_worker_has_is_not_taken_from_it(site: Settings, store: Store) -> None:
    """A worker was slow, its message went back and is another's: when the slow one closes, that booking stays."""
    put(site, "a", 1)
    first: list[Any] = []
    second: list[Any] = []
    with atomic(site) as slow, atomic(site, visibility_timeout=-1) as other:
        consumer(slow, first, "a")
        drain(slow, first, 1)
        other.default_channel.qos.restore_visible()
        consumer(other, second, "a")
        drain(other, second, 1)
        slow.close()
        assert len(store.booked()) == 1
        assert store.waiting("a") == []


def test_the_same_bytes_pushed_twice_are_two_messages(site: Settings, store: Store) -> None:
    put(site, "a", {"n": 1})
    (text,) = store.client.lrange("underbutler:a", 0, -1)
    store.client.lpush("underbutler:a", text, text)
    got: list[Any] = []
    with atomic(site) as opened:
        consumer(opened, got, "a")
        drain(opened, got, 3)
        assert len(store.booked()) == 3
        got[0].ack()
        eventually(lambda: len(store.booked()) == 2, 10, "one acknowledged")
    assert store.bodies("a") == [{"n": 1}, {"n": 1}]


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
