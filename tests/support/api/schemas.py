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
            *_, folder, wanted = url.split("/")
            wanted = _OTHERS.get(wanted, wanted if wanted.endswith(".xsd") else f"{folder}-{wanted}.xsd")
            return self.resolve_string(held[wanted], context, base_url=wanted) if wanted in held else None

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Local())
    imports = "".join(
        f'<xs:import namespace="{_namespace(held[file])}" schemaLocation="{file}"/>'
        for file in sorted(held)
        if file.startswith((name, "VODataService-v1.2"))
    )
    whole = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(whole, parser, base_url="whole/all.xsd"))


def _namespace(document: bytes) -> str:
    return str(etree.fromstring(document).get("targetNamespace"))


def faults(document: bytes, name: str = "UWS-v1.1") -> list[str]:
    """Return what a schema finds wrong with a document."""
    rules = schema(name)
    rules.validate(etree.fromstring(document))
    return [one.message for one in rules.error_log]
