"""What the tables of an instrument map are made of: fields that name a header keyword, and the closed table itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Keyword", "Table"]


class Table(BaseModel):
    """One table of a map: frozen, and closed. A field that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _no_value(word: Any) -> Any:
    """Refuse a number where the name of a card belongs: who writes ``gain = 1.5`` means the value."""
    if not isinstance(word, str):
        raise ValueError(
            f"names a header keyword, such as 'GAIN', and {word!r} is a value. Write values under [constants]"
        )
    if isinstance(word, str) and _is_number(word):
        raise ValueError(f"names a header keyword, and {word!r} is a value. Write values under [constants], as numbers")
    return word


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


Keyword = Annotated[str, Field(min_length=1, max_length=80), BeforeValidator(_no_value)]
"""Name of a header card: its value is read from each frame."""
