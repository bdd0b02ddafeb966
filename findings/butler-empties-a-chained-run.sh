#!/usr/bin/env bash
# Butler.removeRuns of a RUN that a CHAINED collection holds fails, and has removed its datasets before.
#
# The call raises because the collection is in a chain, so it looks as if nothing had been done. The RUN and the chain
# are still there, the datasets of the RUN are gone, files and rows. Whoever removes a RUN has to ask for its parents
# first (`collections.get_info(run, include_parents=True).parents`), or pass `unlink_from_chains=True`.
#
# Seen with Python 3.11 and lsst-daf-butler 30.2026.4300: IntegrityError, and no dataset left.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "lsst-daf-butler==30.2026.4300" 2>/dev/null

seen=$("$folder/venv/bin/python" - "$folder/repo" 2>/dev/null <<'PYTHON'
import sys

from lsst.daf.butler import Butler, CollectionType, DatasetType

Butler.makeRepo(sys.argv[1])
butler = Butler.from_config(sys.argv[1], writeable=True, run="one")
kind = DatasetType("note", (), "StructuredDataDict", universe=butler.dimensions)
butler.registry.registerDatasetType(kind)
butler.put({"a": 1}, "note")
butler.collections.register("chain", CollectionType.CHAINED)
butler.collections.prepend_chain("chain", "one")
try:
    butler.removeRuns(["one"])
    raised = "nothing"
except Exception as error:
    raised = type(error).__name__
left = len(list(butler.registry.queryDatasets("note", collections=["one"])))
print(f"raised {raised}, collections {sorted(butler.collections.query('*'))}, datasets left {left}")
PYTHON
)
expected="raised IntegrityError, collections ['chain', 'one'], datasets left 0"
echo "$seen"
[[ "$seen" == "$expected" ]] || { echo "  expected: $expected"; exit 1; }
