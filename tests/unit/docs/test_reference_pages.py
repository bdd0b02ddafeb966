"""The reference says what the program is: every setting, every command, every public name."""

from __future__ import annotations

import re
from pathlib import Path

import click
from reference_pages.commands import command_pages
from reference_pages.instrument_map import instrument_map_page, tables
from reference_pages.products import product_pages
from reference_pages.python_names import PLACES, python_pages
from reference_pages.rooms import room_pages, sentence_of
from reference_pages.schemas import schema_pages
from reference_pages.settings import GROUPS, descriptions, settings_page, variables

import underbutler.catalog
from tasks.calexp_header import CARDS, META
from tasks.planes import PLANES
from tasks.source_table import DESCRIPTIONS, NOT_MEASURED, UCDS
from underbutler.cli.main import group
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.pipe.request import JobRequest
from underbutler.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_settings_is_what_the_program_says() -> None:
    assert (DOCS / "reference" / "settings.md").read_text() == settings_page(), "Run `make reference` and commit."


def test_the_page_of_instrument_maps_is_what_the_program_says() -> None:
    assert (DOCS / "reference" / "instrument-map.md").read_text() == instrument_map_page(), "Run `make reference`."


def test_every_field_of_a_map_has_a_description() -> None:
    for name, table in tables():
        for field, info in table.model_fields.items():
            assert (info.description or "").endswith("."), f"{name} {field}"


def test_every_setting_is_in_one_group_and_has_a_description() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(Settings.model_fields), "Put the setting into GROUPS of docs/reference_pages."
    said = descriptions()
    assert set(said) == set(Settings.model_fields), "Describe the setting, in a docstring below it."
    for name, text in said.items():
        assert text.endswith("."), name


def test_every_variable_and_alias_of_a_setting_is_on_the_page() -> None:
    page = settings_page()
    for field in Settings.model_fields.values():
        for variable in variables(field):
            assert f"`{variable}`" in page


def test_every_variable_that_a_page_names_is_a_setting() -> None:
    known = {variable for field in Settings.model_fields.values() for variable in variables(field)}
    known |= {"UNDERBUTLER_ACCESS_TOKEN"}  # of one submission, not of a process
    compose = {
        "UNDERBUTLER_BIND",
        "UNDERBUTLER_UID",
        "UNDERBUTLER_GID",
        "UNDERBUTLER_IMAGE",
    }  # read by docker-compose.yml
    for page in [DOCS.parent / "README.md", *DOCS.rglob("*.md")]:
        named = set(re.findall(r"\bUNDERBUTLER_[A-Z0-9_]*[A-Z0-9]", page.read_text()))
        assert named <= known | compose, page


def test_every_command_and_option_has_its_place() -> None:
    pages = command_pages()
    root = click.Context(group, info_name="underbutler")
    for name in group.list_commands(root):
        assert f"[`{name}`]({name}.md)" in pages["commands/index.md"]
        assert pages[f"commands/{name}.md"].startswith(f"# underbutler {name}\n")
    submit = pages["commands/submit.md"]
    assert "`--dry-run`\n: " in submit
    assert "**Examples**\n\n```text\nunderbutler submit " in submit
    assert "\n## list\n" in pages["commands/schedule.md"]


def test_every_public_name_is_listed_where_it_is_imported_from() -> None:
    pages = python_pages()
    assert set(PLACES) == {"underbutler", "underbutler.annex", "underbutler.butlers", "underbutler.catalog"}
    for name in underbutler.catalog.__all__:
        assert f"\n   {name}\n" in pages["python/underbutler.catalog.md"]


def test_every_field_of_a_json_document_is_on_its_page() -> None:
    pages = schema_pages()
    for name in JobRequest.model_fields:
        assert f"\n| `{name}` | " in pages["schemas/request.md"]
    for name in LargeFileObjectAvailable.__dataclass_fields__:
        assert f"\n| `{name}` | " in pages["schemas/notice.md"]
    assert "\n## Data reference\n" in pages["schemas/message.md"]
    assert "| [data reference](#data-reference) |" in pages["schemas/message.md"]


def test_every_package_of_the_library_is_a_room_with_a_sentence() -> None:
    page = room_pages()["rooms/index.md"]
    library = DOCS.parent / "underbutler"
    for package in (path.parent.name for path in library.glob("*/__init__.py")):
        assert f"`{package}`" in page
    assert sentence_of("underbutler.errors") in page


def test_every_column_and_card_of_a_product_is_on_its_page() -> None:
    (page,) = product_pages().values()
    for name in (*DESCRIPTIONS, *CARDS, *PLANES):
        assert f"`{name}`" in page
    assert set(UCDS) | set(NOT_MEASURED) <= set(DESCRIPTIONS)
    assert set(META.values()) <= set(CARDS)
