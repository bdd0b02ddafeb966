#!/usr/bin/env bash
# libfaketime with the monotonic clock left right lets Python's time.sleep fail.
#
# FAKETIME_DONT_FAKE_MONOTONIC=1 is what a program with timeouts is run with. Python sleeps until a moment of the monotonic
# clock (clock_nanosleep with TIMER_ABSTIME, since 3.11), and libfaketime takes its shift of the wall clock off that moment:
# it lies before zero, and the kernel refuses it. Who fakes a clock so replaces time.sleep, for example by select.select.
#
# Seen with Debian 12, libfaketime 0.9.10-2.1 and Python 3.11.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq "libfaketime=0.9.10-2.1" 2>/dev/null
dpkg -x libfaketime_*.deb .
library=$(echo "$folder"/usr/lib/*/faketime/libfaketime.so.1)

seen=$(FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME=+7200s LD_PRELOAD=$library python3 - <<'PYTHON'
import time

try:
    time.sleep(0.1)
    print("slept")
except OSError as error:
    print(error)
PYTHON
)
expected="[Errno 22] Invalid argument"
echo "$seen"
[[ "$seen" == "$expected" ]] || { echo "  expected: $expected"; exit 1; }
