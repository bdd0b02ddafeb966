"""The services that other tests stand on."""

from __future__ import annotations

from uuid import uuid4

import boto3
import kombu
import psycopg
import redis
from botocore.config import Config

from tests.support.services import S3Endpoint


def test_each_test_gets_an_empty_redis_database(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("a", 1)


def test_each_test_gets_an_empty_redis_database_again(redis_url: str) -> None:
    test_each_test_gets_an_empty_redis_database(redis_url)


def test_each_test_gets_an_empty_postgres_database(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as session:
        session.execute("create table a (b int)")


def test_each_test_gets_an_empty_postgres_database_again(postgres_url: str) -> None:
    test_each_test_gets_an_empty_postgres_database(postgres_url)


def test_each_test_gets_an_empty_virtual_host(rabbitmq_url: str) -> None:
    with kombu.Connection(rabbitmq_url) as connection, connection.SimpleQueue("a") as queue:
        assert queue.qsize() == 0
        queue.put({"one": 1})
        assert queue.get(timeout=5).payload == {"one": 1}


def test_each_test_gets_an_empty_virtual_host_again(rabbitmq_url: str) -> None:
    test_each_test_gets_an_empty_virtual_host(rabbitmq_url)


def test_moto_keeps_an_object(moto_endpoint: S3Endpoint) -> None:
    _round_trip(moto_endpoint)


def test_swift_keeps_an_object(swift_endpoint: S3Endpoint) -> None:
    _round_trip(swift_endpoint)


def _round_trip(endpoint: S3Endpoint) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )
    bucket = f"bucket-{uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="a/b c", Body=b"light")
    assert client.get_object(Bucket=bucket, Key="a/b c")["Body"].read() == b"light"
    client.close()
