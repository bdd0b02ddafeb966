"""The proxy of the drills does what it says, and the same again with the same seed."""

from __future__ import annotations

import http.client
import threading
from urllib.parse import urlsplit

import pytest

from tests.support.annex_faults import FaultyS3
from tests.support.services import S3Endpoint, eventually


def status_of(proxy: FaultyS3, path: str = "/", timeout: float = 20) -> int:
    place = urlsplit(proxy.url)
    link = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout)
    try:
        return answer_of(link, path)
    finally:
        link.close()


def answer_of(link: http.client.HTTPConnection, path: str = "/") -> int:
    link.request("GET", path)
    answer = link.getresponse()
    answer.read()
    return answer.status


def statuses(endpoint: S3Endpoint, seed: int) -> list[int]:
    with FaultyS3(endpoint.url, seed=seed) as proxy:
        proxy.spoil("error", "*", share=0.3)
        return [status_of(proxy) for _ in range(40)]


def test_random_faults_repeat_with_their_seed(moto_endpoint: S3Endpoint) -> None:
    first = statuses(moto_endpoint, 1)
    assert first == statuses(moto_endpoint, 1)
    assert first != statuses(moto_endpoint, 2)
    assert 4 <= first.count(500) <= 22, "30 % of 40, give or take three standard deviations"


def test_connections_are_refused_cut_and_accepted_on_one_port(moto_endpoint: S3Endpoint) -> None:
    with FaultyS3(moto_endpoint.url) as proxy:
        before = proxy.url
        place = urlsplit(before)
        open_link = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
        assert answer_of(open_link) == 200
        with proxy.refusing():
            with pytest.raises(ConnectionRefusedError):
                status_of(proxy)
            with pytest.raises((OSError, http.client.HTTPException)):
                answer_of(open_link)
        assert proxy.url == before
        assert status_of(proxy) == 200
        open_link.close()


def test_what_hangs_is_let_go_when_the_proxy_is_healed(moto_endpoint: S3Endpoint) -> None:
    with FaultyS3(moto_endpoint.url) as proxy:
        proxy.spoil("hang", "GET")
        ended: list[object] = []

        def ask() -> None:
            try:
                ended.append(status_of(proxy))
            except (OSError, http.client.HTTPException) as error:
                ended.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: proxy.done["hang"] == 1, what="the request that hangs")
        assert not ended
        proxy.heal()
        asking.join(20)
        assert isinstance(ended[0], http.client.RemoteDisconnected)
        assert status_of(proxy) == 200
