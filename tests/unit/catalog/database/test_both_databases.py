"""What both databases keep and find alike: documents, numbers, the order of texts, regular expressions."""

from __future__ import annotations

import pytest

from tests.support.catalog.rows import events_of, imaged_run, run_of, start_of
from tests.support.databases import ON_BOTH
from underbutler.catalog.database.store import CatalogStore
from underbutler.catalog.query.matching import matches
from underbutler.catalog.query.questions import parse

pytestmark = ON_BOTH


def test_what_is_written_is_read_back(store: CatalogStore) -> None:
    for documents in (run_of("small", events=3), run_of("large", events=500), imaged_run("imaged", images=70)):
        store.import_run(documents)
        assert store.import_run(documents) == documents[0][1]["uid"]
        source = store.source(next(store.headers({"uid": documents[0][1]["uid"]})))
        written = [document for name, document in documents if name == "event"]
        for one in written:
            one.pop("filled", None)
        [descriptor] = source.get_event_descriptors()
        assert events_of(iter(source.get_event_pages(descriptor["uid"]))) == written
        assert source.get_event_count(descriptor["uid"]) == len(written)
    assert (
        store.source(next(store.headers({"uid": "imaged"}))).lookup_resource_for_datum("imaged-file/70")
        == "imaged-file"
    )


def test_a_start_document_comes_back_with_its_numbers_unchanged(store: CatalogStore) -> None:
    start = start_of(
        limit=float("inf"), name="a\x00b", big=1e300, large=1e16, zero=-0.0, small=5e-324, whole=2.0, n=10**20
    )
    store.insert("start", start)
    [header] = store.headers({})
    assert repr(sorted(header.start.items())) == repr(sorted(start.items()))
    store.insert("start", start)


def test_texts_are_ordered_by_code_points_whatever_the_locale(store: CatalogStore) -> None:
    for uid in ("aB", "ab", "aZ", "a-", "b"):
        store.insert("start", start_of(uid, task=uid, note={"text": uid}))
    for path in ("uid", "task", "note.text"):
        found = {header.uid for header in store.headers({path: {"$gte": "aB", "$lt": "aa"}})}
        assert found == {"aB", "aZ"}


@pytest.mark.parametrize("pattern", [r"(?P<a>x)\b", r"^pro\w+$", "a.c", r"\d{3}"])
def test_a_regular_expression_is_that_of_python(store: CatalogStore, pattern: str) -> None:
    texts = ["x y", "xy", "process", "a\nc", "abc", "year 2026", "process\n"]
    for number, note in enumerate(texts):
        store.insert("start", start_of(str(number), note=note, task=note))
    question = parse({"note": {"$regex": pattern}})
    wanted = {str(number) for number, note in enumerate(texts) if matches(question, {"note": note}, None)}
    for path in ("note", "task"):
        found = {header.uid for header in store.headers({path: {"$regex": pattern}})}
        assert found - {"6"} == wanted - {"6"}  # what `$` means before the last line's end is each one's own
