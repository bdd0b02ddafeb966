#!/usr/bin/env bash
# Two datasets whose data IDs differ in a sign are written into one file, and both are read as the later one.
#
# The stock template of file names replaces what a path cannot hold ("/", ":", blanks) by "_", and does not look whether
# another dataset of the RUN has that name. Flats of the filters "R/I" and "R I" become one file; no put fails, and the
# first flat is gone. Whoever names filters freely needs "{id}" in the datastore's templates.
#
# Seen with Python 3.11 and lsst-daf-butler 30.2026.4300: two datasets, one file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "lsst-daf-butler==30.2026.4300" 2>/dev/null

seen=$("$folder/venv/bin/python" - "$folder/repo" 2>/dev/null <<'PYTHON'
import sys
from pathlib import Path

from lsst.daf.butler import Butler, DatasetType

FILTERS = ("R/I", "R I")
Butler.makeRepo(sys.argv[1])
butler = Butler.from_config(sys.argv[1], writeable=True, run="flats")
sync = butler.registry.syncDimensionData
limits = {"detector_max": 1, "exposure_max": 1, "visit_max": 1}
sync("instrument", {"name": "CAM", "class_name": "lsst.pipe.base.Instrument"} | limits)
for name in FILTERS:
    sync("physical_filter", {"instrument": "CAM", "name": name, "band": "r"})
dimensions = butler.dimensions.conform(["instrument", "physical_filter"])
butler.registry.registerDatasetType(DatasetType("flat", dimensions, "StructuredDataDict"))
for name in FILTERS:
    butler.put({"filter": name}, "flat", instrument="CAM", physical_filter=name)
read = [butler.get("flat", instrument="CAM", physical_filter=name)["filter"] for name in FILTERS]
files = [path for path in Path(sys.argv[1]).rglob("flat_*")]
print(f"put {list(FILTERS)}, files {len(files)}, read {read}")
PYTHON
)
expected="put ['R/I', 'R I'], files 1, read ['R I', 'R I']"
echo "$seen"
[[ "$seen" == "$expected" ]] || { echo "  expected: $expected"; exit 1; }
