#!/usr/bin/env bash
# WCS.pixel_to_world of ecliptic axes gives their longitude and latitude as right ascension and declination in ICRS.
#
# Axes of ELON-TAN and ELAT-TAN without RADESYS become a SkyCoord of ICRS, 12 degrees off at longitude 150, and no
# warning is given. Whoever reads strangers' headers has to look at `wcs.wcs.lngtyp` first.
#
# Seen with Python 3.11 and astropy 8.0.2.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "astropy==8.0.2" 2>/dev/null

seen=$("$folder/venv/bin/python" -W error - <<'PYTHON'
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.wcs import WCS

cards = {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 1.0, "CRPIX2": 1.0}
matrix = {"CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-4}
given = WCS(Header(list((cards | matrix).items()))).pixel_to_world(0, 0)
right = SkyCoord(150.0, 2.0, unit="deg", frame="barycentricmeanecliptic").icrs
print(f"{given.frame.name} {given.ra.deg:.1f} {given.dec.deg:.1f}, right {right.ra.deg:.1f} {right.dec.deg:.1f}")
PYTHON
)
echo "$seen"
expected="icrs 150.0 2.0, right 152.8 13.3"
[[ "$seen" == "$expected" ]] || { echo "  expected: $expected"; exit 1; }
