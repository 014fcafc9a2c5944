"""The disks that a power loss could leave, built from what the test build recorded (src/base/os_fault.c: os.rec).

    events = read_events(folder / "os.rec")
    for world in worlds(events[:cut], random.Random(seed), count=4):
        world.write_to(folder, root="/where/the/program/ran")     # or look into world.files: path -> bytes

The disk of the model is the worst that POSIX allows: what is not covered by a sync that succeeded may be there or not,
in any order, writes torn at 512 bytes; a name (created, linked, renamed, removed) lasts only once its folder was synced
after it; syncing a file does not save its name. A process that is killed leaves `everything(events)`.
"""
from __future__ import annotations

import os
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator

SECTOR = 512
KINDS = ["start", "open", "write", "sync", "close", "mkdir", "rename", "link", "unlink", "rmdir", "folder_sync",
         "point"]
CREATED_NEW, REPLACED, APPENDED = 1, 2, 3


@dataclass
class Event:
    kind: str
    process: int
    sequence: int
    path: str = ""  # or the name of a point
    to: str = ""
    file: int = 0
    how: int = 0
    offset: int = 0  # of an open: the file's size
    data: bytes = b""
    mark: int = 0


class Fields:
    def __init__(self, body: bytes):
        self.body, self.at = body, 0

    def take(self, form: str):
        value, = struct.unpack_from("<" + form, self.body, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.body[self.at - count:self.at]

    def text(self) -> str:
        return self.bytes(self.take("H")).decode()

    def path(self) -> str:
        return os.path.normpath(self.text())


def read_events(path: os.PathLike) -> list[Event]:
    content, at, events = Path(path).read_bytes(), 0, []
    while at < len(content):
        size, = struct.unpack_from("<I", content, at)
        events.append(decode(Fields(content[at + 4:at + 4 + size])))
        at += 4 + size
    return events


def decode(body: Fields) -> Event:
    event = Event(KINDS[body.take("B")], body.take("I"), body.take("Q"))
    if event.kind in ("open", "write", "sync", "close"):
        event.file = body.take("I")
    if event.kind == "open":
        event.how, event.offset, event.path = body.take("B"), body.take("Q"), body.path()
    elif event.kind == "write":
        event.offset = body.take("Q")
        event.data = body.bytes(body.take("I"))
    elif event.kind == "sync":
        event.mark = body.take("Q")
    elif event.kind == "point":
        event.path = body.text()
    elif event.kind not in ("start", "close"):
        event.path = body.path()
        if event.kind in ("rename", "link"):
            event.to = body.path()
        if event.kind == "folder_sync":
            event.mark = body.take("Q")
    return event


# ---- what is pending, and until when ----

@dataclass
class Change:
    """One thing that a disk may or may not have: of a file's contents, or of the names in a folder."""
    process: int
    sequence: int
    inode: int | None = None  # contents
    offset: int = 0
    data: bytes = b""
    truncate: bool = False
    folders: tuple[str, ...] = ()  # names: the folders whose sync makes it last
    add: tuple[str, int] | None = None  # path -> inode; 0: a folder
    drop: str | None = None
    durable: bool = False


@dataclass
class World:
    """path -> contents, and the folders that are there."""
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def write_to(self, top: os.PathLike, root: str) -> None:
        """Lay out what was under `root` in the folder `top`."""
        for path in sorted(self.folders):
            if path == root or path.startswith(root + "/"):
                Path(top, os.path.relpath(path, root)).mkdir(parents=True, exist_ok=True)
        for path, content in self.files.items():
            if path.startswith(root + "/"):
                Path(top, os.path.relpath(path, root)).write_bytes(content)


class History:
    """Replays events into changes and marks those that a sync has made durable."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.names: dict[str, int] = {}  # as the running program sees them
        self.handles: dict[tuple[int, int], int] = {}
        self.inodes = 0

    def run(self, events: Iterable[Event]) -> "History":
        for event in events:
            getattr(self, "on_" + event.kind, lambda _: None)(event)
        return self

    def add(self, event: Event, **what) -> None:
        self.changes.append(Change(event.process, event.sequence, **what))

    def name_changed(self, event: Event, add: tuple[str, int] | None, drop: str | None) -> None:
        touched = {os.path.dirname(path) for path in ((add[0] if add else None), drop) if path}
        if drop is not None:
            self.names.pop(drop, None)
        if add is not None:
            self.names[add[0]] = add[1]
        self.add(event, folders=tuple(touched), add=add, drop=drop)

    def on_open(self, event: Event) -> None:
        inode = self.names.get(event.path)
        if inode is None:
            self.inodes += 1
            inode = self.inodes
            self.name_changed(event, (event.path, inode), None)
        elif event.how == REPLACED:
            self.add(event, inode=inode, truncate=True)
        self.handles[event.process, event.file] = inode

    def on_write(self, event: Event) -> None:
        inode = self.handles[event.process, event.file]
        for begin in range(0, len(event.data), SECTOR):
            self.add(event, inode=inode, offset=event.offset + begin, data=event.data[begin:begin + SECTOR])

    def on_sync(self, event: Event) -> None:
        inode = self.handles[event.process, event.file]
        self.last(event, lambda change: change.inode == inode)

    def on_mkdir(self, event: Event) -> None:
        self.name_changed(event, (event.path, 0), None)

    def on_rename(self, event: Event) -> None:
        self.name_changed(event, (event.to, self.names.get(event.path, 0)), event.path)

    def on_link(self, event: Event) -> None:
        self.name_changed(event, (event.to, self.names[event.path]), None)

    def on_unlink(self, event: Event) -> None:
        self.name_changed(event, None, event.path)

    on_rmdir = on_unlink

    def on_folder_sync(self, event: Event) -> None:
        self.last(event, lambda change: event.path in change.folders)

    def last(self, sync: Event, covers) -> None:
        """Everything that it covers and that was recorded before it began. Of other processes: all, they have ended."""
        for change in self.changes:
            if covers(change) and (change.process != sync.process or change.sequence <= sync.mark):
                change.durable = True

    # ---- building ----

    def build(self, keep) -> World:
        contents: dict[int, bytearray] = {}
        names: dict[str, int] = {}
        for change in self.changes:
            if not change.durable and not keep(change):
                continue
            if change.inode is not None:
                self._write(contents.setdefault(change.inode, bytearray()), change)
                continue
            if change.drop is not None:
                names.pop(change.drop, None)
            if change.add is not None:
                names[change.add[0]] = change.add[1]
        folders = {path for path, inode in names.items() if inode == 0}
        made = {change.add[0] for change in self.changes if change.add and change.add[1] == 0}
        lost = made - folders  # whatever lies in a folder that is not there is not there
        world = World(folders={path for path in folders if not self._below(path, lost)})
        world.files = {path: bytes(contents.get(inode, b"")) for path, inode in names.items()
                       if inode and not self._below(path, lost)}
        return world

    @staticmethod
    def _write(content: bytearray, change: Change) -> None:
        if change.truncate:
            content.clear()
        if len(content) < change.offset:
            content.extend(bytes(change.offset - len(content)))  # a hole: what lies before was lost
        content[change.offset:change.offset + len(change.data)] = change.data

    @staticmethod
    def _below(path: str, lost: set[str]) -> bool:
        while path not in ("/", ""):
            path = os.path.dirname(path)
            if path in lost:
                return True
        return False


def everything(events: Iterable[Event]) -> World:
    """What a killed process leaves: the kernel goes on."""
    return History().run(events).build(lambda change: True)


def worlds(events: Iterable[Event], rng: random.Random, count: int = 4) -> Iterator[World]:
    """Nothing that was not synced; all names but no unsynced contents, and the other way round; then random ones."""
    history = History().run(events)
    yield history.build(lambda change: False)
    yield history.build(lambda change: change.inode is None)
    yield history.build(lambda change: change.inode is not None)
    yield history.build(lambda change: True)
    for _ in range(count):
        part = rng.random()
        yield history.build(lambda change: rng.random() < part)
