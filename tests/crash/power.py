"""What a power loss can leave on disk, built from the seam's record of every mutation (format: src/base/os_fault.c).

The model is harsher than any file system we know: what was written and not synced may be there, be gone, or be torn at
a multiple of 512 bytes, each write by itself; names that were linked, renamed or removed in a folder since its last
sync are kept up to some point and lost after it, each folder by itself. What was synced is there.
"""
from __future__ import annotations

import os
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

OPEN, WRITE, SYNC, CLOSE, MKDIR, RENAME, LINK, UNLINK, RMDIR, FOLDER_SYNC, POINT = range(1, 12)
SECTOR = 512


@dataclass
class Record:
    kind: int
    sequence: int
    file: int = 0
    how: int = 0
    offset: int = 0
    data: bytes = b""
    mark: int = 0
    paths: list[str] = field(default_factory=list)


def read_records(path: Path) -> list[Record]:
    raw, at, found = path.read_bytes(), 0, []
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        body = raw[at + 4:at + 4 + size]
        assert len(body) == size, "the record ends in the middle"
        at += 4 + size
        kind, _, sequence = struct.unpack_from("<BIQ", body)
        found.append(parse(kind, sequence, body[13:]))
    return found


def parse(kind: int, sequence: int, body: bytes) -> Record:
    r = Record(kind, sequence)

    def path_at(at: int) -> int:
        (n,) = struct.unpack_from("<H", body, at)
        r.paths.append(os.path.normpath(body[at + 2:at + 2 + n].decode()))
        return at + 2 + n

    if kind == OPEN:
        r.file, r.how, r.offset = struct.unpack_from("<IBQ", body)
        path_at(13)
    elif kind == WRITE:
        r.file, r.offset, n = struct.unpack_from("<IQI", body)
        r.data = body[16:16 + n]
    elif kind == SYNC:
        r.file, r.mark = struct.unpack_from("<IQ", body)
    elif kind == CLOSE:
        (r.file,) = struct.unpack_from("<I", body)
    elif kind in (MKDIR, UNLINK, RMDIR, POINT):
        path_at(0)
    elif kind in (RENAME, LINK):
        path_at(path_at(0))
    elif kind == FOLDER_SYNC:
        (r.mark,) = struct.unpack_from("<Q", body, path_at(0))
    return r


@dataclass
class Inode:
    writes: list[Record] = field(default_factory=list)
    synced: int = 0  # writes up to this sequence are durable


def states(records: list[Record], count: int, chance: random.Random):
    """`count` disks, each as of a random moment: (sequence of the moment, {path: bytes}, {folders})."""
    for _ in range(count):
        moment = chance.randrange(1, len(records) + 1)
        yield records[moment - 1].sequence, *one_state(records[:moment], chance)


def one_state(records: list[Record], chance: random.Random) -> tuple[dict[str, bytes], set[str]]:
    inodes: dict[int, Inode] = {}  # by number of the opened file
    ops: dict[str, list[tuple[Record, str]]] = {}  # folder -> what happened to its names, in order
    now: dict[str, Inode] = {}  # names as the running process sees them
    synced_folder: dict[str, int] = {}
    moved: dict[int, Inode] = {}

    def note(folder_of: str, record: Record, inode: Inode | None) -> None:
        ops.setdefault(os.path.dirname(folder_of), []).append((record, folder_of))
        if inode is not None:
            moved[id(record)] = inode

    for r in records:
        if r.kind == OPEN:
            inode = now.get(r.paths[0])
            if inode is None:
                inode = Inode()
                note(r.paths[0], r, inode)
                now[r.paths[0]] = inode
            elif r.how == 2:
                inode.writes.append(Record(OPEN, r.sequence))  # emptied
            inodes[r.file] = inode
        elif r.kind == WRITE:
            inodes[r.file].writes.append(r)
        elif r.kind == SYNC:
            inodes[r.file].synced = max(inodes[r.file].synced, r.mark)
        elif r.kind == MKDIR:
            note(r.paths[0], r, None)
        elif r.kind in (RENAME, LINK):
            inode = now.get(r.paths[0])
            if r.kind == RENAME:
                now.pop(r.paths[0], None)
                note(r.paths[0], Record(UNLINK, r.sequence, paths=[r.paths[0]]), None)
            now[r.paths[1]] = inode
            note(r.paths[1], r, inode)
        elif r.kind == UNLINK:
            now.pop(r.paths[0], None)
            note(r.paths[0], r, None)
        elif r.kind == FOLDER_SYNC:
            synced_folder[r.paths[0]] = max(synced_folder.get(r.paths[0], 0), r.mark)
    return build(ops, moved, synced_folder, chance)


def build(ops, moved, synced_folder, chance) -> tuple[dict[str, bytes], set[str]]:
    names: dict[str, Inode] = {}
    folders: set[str] = set()
    for folder, changes in ops.items():
        mark = synced_folder.get(folder, 0)
        volatile = [c for c in changes if c[0].sequence > mark]
        kept = len(changes) - len(volatile) + chance.randint(0, len(volatile))
        for record, name in changes[:kept]:
            if record.kind == MKDIR:
                folders.add(name)
            elif record.kind in (UNLINK, RMDIR):
                names.pop(name, None)
            else:
                names[name] = moved[id(record)]
    contents: dict[int, bytes] = {}  # an inode with two names has one content
    for inode in names.values():
        if id(inode) not in contents:
            contents[id(inode)] = content_of(inode, chance)
    return {name: contents[id(inode)] for name, inode in names.items()}, folders


def content_of(inode: Inode, chance: random.Random) -> bytes:
    data = bytearray()
    for w in inode.writes:
        piece = w.data
        if w.kind == OPEN:
            data.clear()
            continue
        if w.sequence > inode.synced:
            fate = chance.randrange(3)
            if fate == 0:
                continue
            if fate == 1:
                piece = piece[:chance.randrange(0, len(piece) + 1) // SECTOR * SECTOR]
        if len(data) < w.offset:
            data.extend(bytes(w.offset - len(data)))
        data[w.offset:w.offset + len(piece)] = piece
    return bytes(data)


def lay_out(files: dict[str, bytes], folders: set[str], old: Path, new: Path) -> None:
    """Write a state that was recorded under `old` to `new`. A name whose folder was lost is lost."""
    def reachable(path: str) -> bool:
        parent = os.path.dirname(path)
        return Path(parent) == old or not Path(parent).is_relative_to(old) or (parent in folders and reachable(parent))

    for folder in sorted(folders):
        if Path(folder).is_relative_to(old) and reachable(folder):
            (new / Path(folder).relative_to(old)).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if Path(name).is_relative_to(old) and reachable(name):
            (new / Path(name).relative_to(old)).write_bytes(data)
