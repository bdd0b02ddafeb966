"""Which form of an answer a client wants, by its ``Accept``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .error_responses import NotAcceptableError

__all__ = ["chosen"]


def chosen(accept: str | None, offered: Sequence[str]) -> str:
    """Return the media type that a client likes best.

    Parameters
    ----------
    accept
        The header ``Accept``; None or empty: the client takes everything.
    offered
        Media types that can be given, the one that is given without a wish first.

    Raises
    ------
    NotAcceptableError
        If it takes none of them.
    """
    wishes = list(_wishes(accept or "*/*"))
    best, quality = "", 0.0
    for media_type in offered:
        liked = max(
            ((precision, q) for pattern, q in wishes if (precision := _precision(pattern, media_type)) is not None),
            default=(0, 0.0),
        )[1]
        if liked > quality:
            best, quality = media_type, liked
    if not best:
        raise NotAcceptableError(
            f"This is sent as {' or '.join(offered)}, and not as {accept!r}.",
            cure=f"Send Accept: {offered[0]}.",
            offered=list(offered),
        )
    return best


def _wishes(accept: str) -> Iterator[tuple[str, float]]:
    """Yield the patterns of an Accept header, with how much each is liked."""
    for part in accept.split(","):
        pattern, *parameters = (word.strip().lower() for word in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        yield pattern.replace("application/x-msgpack", "application/msgpack"), quality


def _precision(pattern: str, media_type: str) -> int | None:
    """Return how precisely a pattern names a media type; None if it does not."""
    if pattern in {"*/*", "*"}:
        return 0
    kind, _, _ = media_type.partition("/")
    if pattern == f"{kind}/*":
        return 1
    return 2 if pattern == media_type else None
