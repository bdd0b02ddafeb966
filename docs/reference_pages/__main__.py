"""``python docs/reference_pages``: write the pages without building the site."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]
sys.path.insert(0, str(DOCS))

from reference_pages import write_pages  # noqa: E402 - found through the line above

for path in write_pages(DOCS / "reference"):
    print(path.relative_to(DOCS.parent))
