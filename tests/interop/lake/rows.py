"""Tables as lake_tool takes and gives them (copytext.h), to and from Python values."""
from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal

UTC = datetime.timezone.utc
ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def escape(text: str) -> str:
    return "".join(ESCAPES.get(c, c) for c in text) if any(c in text for c in ESCAPES) else text


def print_value(value, kind: str) -> str:
    if value is None:
        return "\\N"
    if kind.endswith("[]"):
        return escape("{" + ",".join(print_element(element, kind[:-2]) for element in value) + "}")
    if kind == "boolean":
        return "t" if value else "f"
    if kind == "bytea":
        return "\\\\x" + value.hex()
    if kind.startswith("numeric"):
        return format(value, "f")
    if kind == "double precision":
        return repr(value)
    if isinstance(value, datetime.datetime):
        text = value.strftime("%H:%M:%S.%f")
        zone = "+00" if kind == "timestamptz" else ""
        return f"{value.year:04}-{value.month:02}-{value.day:02} {text}{zone}"
    if isinstance(value, datetime.date):
        return f"{value.year:04}-{value.month:02}-{value.day:02}"
    return escape(str(value))


def print_element(value, kind: str) -> str:
    if value is None:
        return "NULL"
    text = unescape(print_value(value, kind))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_text(columns: list[tuple[str, str]], rows: list[tuple]) -> str:
    """columns: (name, "type" or "type:notnull")."""
    kinds = [kind.split(":")[0] for _, kind in columns]
    lines = ["\t".join(f"{name}:{kind}" for name, kind in columns)]
    lines += ["\t".join(map(print_value, row, kinds)) for row in rows]
    return "\n".join(lines) + "\n"


def unescape(text: str) -> str:
    if "\\" not in text:
        return text
    out, i = [], 0
    while i < len(text):
        if text[i] == "\\":
            i += 1
            out.append({"t": "\t", "n": "\n", "r": "\r"}.get(text[i], text[i]))
        else:
            out.append(text[i])
        i += 1
    return "".join(out)


def read_moment(text: str) -> datetime.datetime:
    day, clock = text.split(" ")
    year, month, date = map(int, day.split("-"))
    whole, _, part = clock.partition(".")
    hour, minute, second = map(int, whole.split(":"))
    return datetime.datetime(year, month, date, hour, minute, second, int(part.ljust(6, "0") or 0) if part else 0)


def elements_of(text: str) -> list:
    """Of an array's text, each as text or None."""
    out, i = [], 1
    while text[i] != "}":
        quoted, element = text[i] == '"', ""
        i += quoted
        while text[i] != '"' if quoted else text[i] not in ",}":
            i += quoted and text[i] == "\\"
            element += text[i]
            i += 1
        i += quoted
        out.append(None if element == "NULL" and not quoted else element)
        i += text[i] == ","
    return out


def read_value(text: str, kind: str):
    if text == "\\N":
        return None
    text = unescape(text)
    if kind.endswith("[]"):
        return [element if element is None else read_value(escape(element), kind[:-2]) for element in elements_of(text)]
    if kind in ("integer", "bigint"):
        return int(text)
    if kind == "boolean":
        return {"t": True, "f": False}[text]
    if kind == "double precision":
        return float(text)
    if kind.startswith("numeric"):
        return Decimal(text)
    if kind == "bytea":
        return bytes.fromhex(text.removeprefix("\\x"))
    if kind == "date":
        return datetime.date(*map(int, text.split("-")))
    if kind == "timestamp without time zone":
        return read_moment(text)
    if kind == "timestamp with time zone":
        return read_moment(text.removesuffix("+00")).replace(tzinfo=UTC)
    if kind == "jsonb":
        return json.loads(text)
    if kind == "uuid":
        return uuid.UUID(text)
    return text


def from_text(text: str) -> tuple[list[str], list[tuple]]:
    """Names, rows."""
    head, _, body = text.partition("\n")
    columns = [column.split(":")[:2] for column in head.split("\t")]
    kinds = [kind for _, kind in columns]
    rows = [tuple(map(read_value, line.split("\t"), kinds)) for line in body.split("\n")[:-1]]
    return [name for name, _ in columns], rows
