#!/usr/bin/env bash
# Importing numpy.testing starts another program, in numpy 2.0.0.
#
# The module asks at import whether the processor has the SVE instructions, by running `lscpu`. A test suite that
# forbids processes sees one at the first import of numpy.testing, and the failure names whichever test came first.
# numpy 2.4.0 starts nothing.
#
# Seen with Python 3.11: numpy 2.0.0 starts ['lscpu'], numpy 2.4.0 starts [].
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"

started() {
    "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "numpy==$1" 2>/dev/null
    "$folder/venv/bin/python" - <<'PYTHON'
import sys

started = []
sys.addaudithook(lambda event, args: started.append(args[1][0]) if event == "subprocess.Popen" else None)
import numpy.testing

print(numpy.__version__, started)
PYTHON
}

failed=0
for expected in "2.0.0 ['lscpu']" "2.4.0 []"; do
    seen=$(started "${expected%% *}")
    echo "numpy $seen"
    [[ "$seen" == "$expected" ]] || { echo "  expected: numpy $expected"; failed=1; }
done
exit "$failed"
