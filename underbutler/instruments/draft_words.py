"""Words that cameras' headers are known to use: keywords by what they say, kinds of frames, filters."""

from __future__ import annotations

from typing import Final

__all__ = ["BANDS", "CANDIDATES", "KINDS", "POSITIONS"]

CANDIDATES: Final = {
    "camera": ("INSTRUME", "CAMERA", "DETNAM", "DETECTOR"),
    "detector": ("DETECTOR", "CCDNUM", "CCD", "DETID", "CHIPID", "CCDID"),
    "counter": ("EXPID", "EXPNUM", "EXP-NO", "OBSNUM", "RUN", "FRAMENO", "FILENUM"),
    "date": ("DATE-OBS", "DATE-BEG", "MJD-BEG", "MJD-OBS", "UTDATE"),
    "time": ("UT", "UTC", "TIME-OBS", "UTSTART", "UT-START", "UTC-OBS", "TIME"),
    "seconds": ("EXPTIME", "EXPOSURE", "ITIME", "EXP_TIME", "TEXPTIME", "ELAPTIME"),
    "kind": ("IMAGETYP", "OBSTYPE", "FRAME", "FRAMETYP", "IMTYPE", "IMAGE-TYPE", "DATA-TYP", "OBJTYPE"),
    "filter": ("FILTER", "FILTERS", "FILTNAM", "FILTERID", "FILTER1", "FILT", "INSFILTE", "FWHEEL", "FILTER01"),
    "gain": ("EGAIN", "GAIN", "CCDGAIN", "GAIN1", "GAINA", "EPERDN", "CVF"),
    "read_noise": ("RDNOISE", "READNOIS", "RON", "ENOISE", "RDNOISE1", "READNOISE", "RNOISE", "RDNOISEA"),
    "overscan": ("BIASSEC", "OVERSCAN", "OVRSCSEC", "BIASSECA", "OSCANSEC"),
    "trim": ("TRIMSEC", "DATASEC", "TRIMSECA", "DATASECA"),
    "saturation": ("SATURATE", "SATLEVEL", "SATURATA", "MAXLIN", "SATUR_LV"),
    "temperature": ("CCD-TEMP", "CCDTEMP", "DETTEMP", "TEMPERAT", "CAMTEMP", "CCD_TEMP", "SET-TEMP"),
}
"""Keywords by what they say, the likelier first."""

POSITIONS: Final = (("OBJCTRA", "OBJCTDEC"), ("RA_OBS", "DEC_OBS"), ("RA", "DEC"), ("TELRA", "TELDEC"))

KINDS: Final = {
    "light": "science",
    "light frame": "science",
    "object": "science",
    "science": "science",
    "sky": "science",
    "bias": "bias",
    "bias frame": "bias",
    "zero": "bias",
    "offset": "bias",
    "dark": "dark",
    "dark frame": "dark",
    "darkflat": "dark",
    "dark flat": "dark",
    "flat": "flat",
    "flat frame": "flat",
    "flat field": "flat",
    "dome flat": "flat",
    "domeflat": "flat",
    "sky flat": "flat",
    "skyflat": "flat",
    "twilight flat": "flat",
}
"""Kinds of frames, in lower case."""

BANDS: Final = {
    **{letter: letter.lower() for letter in "UBVRI"},
    **{letter: letter for letter in "ugrizy"},
    **{f"{letter}'": letter for letter in "ugriz"},
    **{f"SDSS {letter}": letter for letter in "ugriz"},
    "Red": "r",
    "Green": "g",
    "Blue": "b",
}
"""Bands by the filters' usual names."""
