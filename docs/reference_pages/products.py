"""The page of what ``processCcd`` makes: from the tables that the task itself writes columns and cards by."""

from __future__ import annotations

from tasks.calexp_header import CARDS, META
from tasks.planes import PLANES
from tasks.source_table import DESCRIPTIONS, NOT_MEASURED, UCDS

__all__ = ["product_pages"]

_PAGE = """\
# What `processCcd` makes

| dataset type | file | holds |
|---|---|---|
| `calexp` | FITS: PRIMARY, IMAGE, MASK, VARIANCE | the image in electrons, the faults of its pixels, its variance |
| `src` | parquet | the sources of the image, brightest first |
| `preview`, `preview_plain` | PNG | a picture with rings around sources, and one without marks |
| `processCcd_metadata` | | numbers of the frame, times of its steps |

`calexp` and `preview` are large: they are delivered to the annex and announced.

## Cards of a `calexp`

The primary header has the cards of the raw frame that are still true, and these, which need no Butler to be
understood. A value that was not measured has no card. `GAIN` is that of the image, whose pixels are electrons: 1.
`RAWGAIN` is what was applied, from the header, the instrument's map or `-c isr.gain=…`; of several amplifiers it is
the mean. The sky is subtracted where `SKYSUB` says so; `SATURATE` counts from the bias level, sky included.

| keyword | meaning |
|---|---|
{cards}
| `UBVER1` … | a package and its version |

## Planes of its mask

`MPLANEn` in the header of MASK names bit n.

| bit | plane |
|---|---|
{planes}

## Columns of `src`

`astropy.table.Table.read(file)` gives units, descriptions and metadata; pandas the numbers. TOPCAT reads a VOTable
in the file's metadata (the VOParquet convention), with units, descriptions and UCDs; the table's metadata are its
parameters there. Every column is in every table. What could not be measured is NaN; where all of a column is, its
description and the metadata `NAME_not_measured` say why.

| column | unit | meaning | UCD |
|---|---|---|---|
{columns}

Why a whole column may be NaN:

{reasons}

`flux` is all of a source's light: what an aperture of `measure.aperture` FWHM holds, times the aperture correction.
That is taken from the curve of growth of up to 60 bright stars of the same frame that stand alone: a Moffat profile
is fitted to the light in rings out to `measure.wideAperture` FWHM and carried on to infinity. With fewer than
`measure.minStars` such stars the correction is 1, and the metadata say so (`aperture_correction`). The sky is the
mean of the pixels outside of sources and of their wings.

## Metadata of `src`

| name | the same as the card |
|---|---|
{meta}

"""


def product_pages() -> dict[str, str]:
    """Return the page, in MyST Markdown, by its name below ``reference/``."""
    columns = [
        f"| `{name}` | {unit or ''} | {words} | {UCDS.get(name, '')} |" for name, (unit, words) in DESCRIPTIONS.items()
    ]
    return {
        "products/index.md": _PAGE.format(
            cards="\n".join(f"| `{keyword}` | {words} |" for keyword, words in CARDS.items()),
            planes="\n".join(f"| {bit} | `{name}` |" for name, bit in PLANES.items()),
            columns="\n".join(columns),
            reasons="\n".join(f"- `{name}`: {reason}" for name, reason in NOT_MEASURED.items()),
            meta="\n".join(f"| `{name}` | `{keyword}` |" for name, keyword in META.items()),
        )
    }
