"""The generators of the reference are found as Sphinx finds them: beside the pages."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "docs"))
