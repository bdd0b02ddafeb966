"""The schemas of the IVOA, out of the jar of STILTS, by which answers in XML are judged."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from tests.support.services import missing

JAR = Path("/usr/share/java/starlink-ttools.jar")
_OTHERS = {"xml.xsd": "xmlnamespace.xsd"}


@cache
def schema(name: str) -> Any:
    """Return a schema, e.g. `UWS-v1.1`; nothing is asked of any network."""
    if not JAR.exists():
        missing("STILTS", "apt-get install stilts")
    with zipfile.ZipFile(JAR) as jar:
        held = {Path(one).name: jar.read(one) for one in jar.namelist() if one.endswith(".xsd")}

    class Local(etree.Resolver):
        def resolve(self, url: str, public_id: str, context: Any) -> Any:
            wanted = url.rsplit("/", 1)[-1]
            wanted = _OTHERS.get(wanted, wanted)
            return self.resolve_string(held[wanted], context, base_url=wanted) if wanted in held else None

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Local())
    (file,) = [one for one in held if one.startswith(name)]
    return etree.XMLSchema(etree.fromstring(held[file], parser, base_url=file))


def faults(document: bytes, name: str = "UWS-v1.1") -> list[str]:
    """Return what a schema finds wrong with a document."""
    rules = schema(name)
    rules.validate(etree.fromstring(document))
    return [one.message for one in rules.error_log]
