"""Files by content: no name from outside, whole or not there, also on a full disk."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive.series_files import child, write_files
from workstation.archive.file_store import FileStore, fingerprint
from workstation.core.errors import InputError, StorageError


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "files")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=3000))
def test_what_goes_in_lies_there_under_its_hash(tmp_path, store, content):
    (source,) = write_files(tmp_path, content)
    found = store.put(source)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert store.path(found.sha256).read_bytes() == content
    assert found == store.put(source) == fingerprint(source)
    assert not list((tmp_path / "files" / "incoming").iterdir())


def test_names_from_outside_are_never_used(tmp_path, store):
    for name in ("..%2f..%2fx", "a" * 200, "CON", "x\ny"):
        source = tmp_path / "in" / name
        source.parent.mkdir(exist_ok=True)
        source.write_text(name)
        store.put(source)
    names = {path.name for _, path in store.contents()}
    assert len(names) == 4
    assert all(len(name) == 64 and set(name) <= set("0123456789abcdef") for name in names)
    for wrong in ("../../etc/passwd", "", "A" * 64, "0" * 63 + "/"):
        with pytest.raises(StorageError, match="damaged"):
            store.path(wrong)
    with pytest.raises(StorageError, match="damaged"):
        store.path("0" * 64, "/../x")


def test_a_source_that_cannot_be_read_is_named(tmp_path, store):
    for source in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            store.put(source)
        with pytest.raises(InputError, match="cannot be read"):
            fingerprint(source)
    assert not list((tmp_path / "files" / "incoming").iterdir())


def test_a_file_that_was_cut_short_is_written_anew(tmp_path, store):
    (source,) = write_files(tmp_path, "whole")
    path = store.path(store.put(source).sha256)
    path.write_text("wh")
    store.put(source)
    assert path.read_text() == "whole"


_FULL = """
import resource, sys
from pathlib import Path
from workstation.archive.file_store import FileStore
from workstation.core.errors import StorageError
store = FileStore(Path(sys.argv[2]))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
try:
    store.put(Path(sys.argv[1]))
except StorageError as error:
    print(error.message)
print(len(list(store.contents())), len(list((store.folder / "incoming").iterdir())))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(store.put(Path(sys.argv[1])).size)
"""


def test_a_full_disk_leaves_no_half_file(tmp_path):
    (source,) = write_files(tmp_path / "in", b"x" * 200_000)
    said, counts, size = child(_FULL, source, tmp_path / "files").splitlines()
    assert "cannot be written" in said
    assert counts == "0 0"
    assert size == "200000"


_READ_ONLY = """
import os, sys
from pathlib import Path
from workstation.archive.file_store import FileStore
from workstation.core.errors import StorageError
if os.geteuid() == 0:
    os.setuid(65534)
try:
    FileStore(Path(sys.argv[2])).put(Path(sys.argv[1]))
except StorageError as error:
    print(error.message)
"""


def test_a_read_only_folder_is_named():
    folder = Path(tempfile.mkdtemp())
    try:
        (source,) = write_files(folder / "in", "x")
        folder.chmod(0o555)
        said = child(_READ_ONLY, source, folder / "files")
        assert "may not write" in said
        assert str(folder / "files") in said
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
