"""BambooHR's XML, which its older endpoints answer unless JSON is asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from connectors.sandbox.store import Row


def from_xml(body: bytes) -> Row:
    """`<employee><field id="firstName">Ava</field></employee>` (or a table's row) as a dict."""
    try:
        root = ET.fromstring(body)
    except ET.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    return {field.attrib["id"]: field.text or "" for field in root.iter("field") if "id" in field.attrib}


def to_xml(what: str, value: Any) -> bytes:
    """One of the documents: employee, directory, changed, table, fields."""
    root = DOCUMENTS[what](value)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def record(tag: str, values: Mapping[str, Any], **attributes: str) -> ET.Element:
    element = ET.Element(tag, attributes)
    for name, value in values.items():
        ET.SubElement(element, "field", id=name).text = "" if value is None else str(value)
    return element


def employee(row: Row) -> ET.Element:
    return record("employee", {k: v for k, v in row.items() if k != "id"}, id=row["id"])


def directory(value: Row) -> ET.Element:
    root = ET.Element("directory")
    named = ET.SubElement(root, "fieldset")
    for field in value["fields"]:
        ET.SubElement(named, "field", id=field["id"]).text = field["name"]
    ET.SubElement(root, "employees").extend(employee(row) for row in value["employees"])
    return root


def changed(value: Row) -> ET.Element:
    root = ET.Element("employees", latest=value["latest"])
    for row in value["employees"].values():
        ET.SubElement(root, "employee", row)
    return root


def table(rows: Iterable[Row]) -> ET.Element:
    root = ET.Element("table")
    for row in rows:
        cells = {k: v for k, v in row.items() if k not in ("id", "employeeId")}
        root.append(record("row", cells, id=row["id"], employeeId=row["employeeId"]))
    return root


def fields(rows: Iterable[Row]) -> ET.Element:
    root = ET.Element("fields")
    for row in rows:
        ET.SubElement(root, "field", id=row["id"], type=row["type"], alias=row["alias"]).text = row["name"]
    return root


DOCUMENTS: dict[str, Callable[[Any], ET.Element]] = {
    "employee": employee,
    "directory": directory,
    "changed": changed,
    "table": table,
    "fields": fields,
}
