"""Parameters as clients post them: in a form or in the query, names in any case."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.datastructures import UploadFile
from starlette.requests import Request

from underbutler.api.asking import site_of
from underbutler.errors import UsageError

__all__ = ["Posted", "control"]


async def _posted(request: Request) -> list[tuple[str, str]]:
    pairs = list(request.query_params.multi_items())
    if request.method == "POST":
        most = site_of(request).settings.api_max_body_bytes
        form = await request.form(max_files=0, max_fields=10_000, max_part_size=most)
        for name, text in form.multi_items():
            if isinstance(text, UploadFile):
                raise UsageError(f"{name}: a file is not taken here. Send its text.", field=name)
            pairs.append((name, text))
    return pairs


Posted: TypeAlias = Annotated[list[tuple[str, str]], Depends(_posted)]
"""Names and values, of the query first."""


def control(pairs: list[tuple[str, str]], name: str) -> str | None:
    """Return the one value of a parameter that steers the job; None if it was not given.

    Raises
    ------
    UsageError
        If it was given twice with different values.
    """
    found = {text for given, text in pairs if given.upper() == name}
    if len(found) > 1:
        raise UsageError(f"{name} is given twice. Give it once.", field=name)
    return found.pop() if found else None
