"""Header cards that FITS forbids: repaired where that is possible, else left out by name."""

from __future__ import annotations

import warnings

from astropy.io import fits

__all__ = ["standard_cards"]

_COMMENTARY = ("COMMENT", "HISTORY", "")


def standard_cards(header: fits.Header) -> tuple[fits.Header, list[str]]:
    """Return a header of which every card may be written, and a sentence for each card that was changed.

    Control characters become blanks, what is not ASCII a question mark; a card that cannot be read at all is left out.
    """
    kept, notes = [], []
    for card in header.cards:
        if _is_standard(card):
            kept.append(card)
            continue
        name = card.keyword or "without a keyword"
        repaired = _repaired(card)
        if repaired is None:
            notes.append(f"the card {name} is not FITS and is left out")
        else:
            kept.append(repaired)
            notes.append(f"the card {name} is not FITS and was repaired")
    return fits.Header(kept, copy=True), notes


def _is_standard(card: fits.Card) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("error", fits.verify.VerifyWarning)
        try:
            card.verify("exception")
            _ = card.value
            return all(" " <= character <= "~" for character in card.image)
        except (fits.VerifyError, fits.verify.VerifyWarning, ValueError):
            return False


def _repaired(card: fits.Card) -> fits.Card | None:
    """Return a card of the same keyword, value and comment, None if they cannot be told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = card.image
            clean = "".join(one if " " <= one <= "~" else " " if ord(one) < 128 else "?" for one in image)
            if card.keyword in _COMMENTARY:
                return fits.Card.fromstring(clean)
            parsed = fits.Card.fromstring(clean)
            parsed.verify("silentfix")
            fresh = fits.Card(parsed.keyword.upper(), parsed.value, parsed.comment)
            fresh.verify("exception")
            return fresh if fresh.image and "=" in fresh.image else None
        except (fits.VerifyError, ValueError, TypeError, IndexError):
            return None
