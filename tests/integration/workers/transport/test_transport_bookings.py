"""Inside Redis: a message is booked in the step that takes it, under stock kombu's keys, and goes back where it was."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.support.services import eventually
from tests.support.transport_consumers import abandon, consumer, drain
from tests.support.transport_site import Store, atomic, put, stock
from underbutler.settings import Settings


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
