"""Damaged copies of pydicom's own files: a picture or a sentence, within limits, every time.

The seed is fixed. TOMOSCRIBE_FUZZ sets the number of copies.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pydicom

from workstation.io.pool import WorkerPool

COPIES = int(os.environ.get("TOMOSCRIBE_FUZZ", "300"))
SECONDS, MEMORY, LARGEST = 2.0, 1 << 30, 300_000
TAGS = [b"\x28\0\x10\0", b"\x28\0\x11\0", b"\x28\0\x00\x01", b"\xe0\x7f\x10\0", b"\xfe\xff\0\xe0"]


def _damaged(content, rng):
    content = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(0, max(len(content) - 8, 1)))
        kind = rng.integers(0, 6)
        if kind == 0:
            content[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\xf0\xff\xff\xff", bytes(4)])
        elif kind == 2:
            content[at : at + 4] = TAGS[int(rng.integers(0, len(TAGS)))]
        elif kind == 3:
            del content[len(content) - int(rng.integers(0, len(content) // 2 + 1)) :]
        elif kind == 4:
            content[at : at + 2] = rng.bytes(2)
        else:
            other = int(rng.integers(0, max(len(content) - 8, 1)))
            content[at : at + 8], content[other : other + 8] = (
                content[other : other + 8],
                content[at : at + 8],
            )
        if len(content) < 16:
            break
    return bytes(content)


def test_damaged_files_end_in_a_picture_or_a_sentence(tmp_path, never):
    rng = np.random.default_rng(20260101)
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [path for path in files if 0 < path.stat().st_size < LARGEST]
    assert len(files) > 100
    items = []
    for number in range(COPIES):
        source = files[int(rng.integers(0, len(files)))]
        path = tmp_path / f"{number:05d}-{source.name}"
        path.write_bytes(_damaged(source.read_bytes(), rng))
        items.append({"path": str(path), "frame": 0})
    before = psutil.Process().memory_info().rss
    with WorkerPool(timeout=SECONDS, memory=MEMORY) as pool:
        list(pool.run("headers", items[:4], never))
        for kind in ("headers", "thumbnail"):
            start = time.monotonic()
            outcomes = list(pool.run(kind, items, never, batch=8))
            assert len(outcomes) == COPIES
            bad = [
                f"{Path(items[one.index]['path']).name}: {one.reason} {one.details}"
                for one in outcomes
                if one.value is None
                and ("stopped" in one.reason or "longer" in one.reason or _untyped(one))
            ]
            assert bad == []
            assert time.monotonic() - start < SECONDS * COPIES
    assert psutil.Process().memory_info().rss - before < 200e6


def _untyped(outcome):
    return outcome.reason == "it could not be decoded"
