"""What clients of S3 share in one process, and what they do not."""

from __future__ import annotations

import pytest
from botocore.loaders import JSONFileLoader

from underbutler.s3 import make_client, make_resource
from underbutler.settings import Settings


def test_the_models_of_s3_are_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    make_resource(settings.model_copy(update={"s3_region": "eu-south-2"}))
    read: list[str] = []
    load_file = JSONFileLoader.load_file

    def noting(self: JSONFileLoader, path: str) -> object:
        found = load_file(self, path)
        read.extend([path] if found else [])
        return found

    monkeypatch.setattr(JSONFileLoader, "load_file", noting)
    for region in ("eu-south-2", "us-east-1"):
        client = make_client(settings.model_copy(update={"s3_region": region}))
        assert client.meta.region_name == region
    assert read == []


def test_folders_of_models_do_not_add_up(settings: Settings) -> None:
    def folders() -> list[str]:
        resource = make_resource(settings)
        loader = resource.meta.client._loader
        return list(loader.search_paths)

    assert folders() == folders()


def test_a_client_sees_the_variables_of_its_making(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for region in ("eu-south-2", "eu-central-1"):
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        assert make_client(settings).meta.region_name == region
