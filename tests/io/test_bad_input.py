"""Broken, hostile and odd files: a sentence for each, and the rest of the folder stays usable."""

from __future__ import annotations

import logging
import os
import stat
import struct
import threading
import time
import zipfile
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, generate_uid

from workstation.core.errors import InputError
from workstation.core.study import Severity
from workstation.io import index as index_module
from workstation.io.pool import WorkerPool

NESTED = 20_000


def _nested_sequences(path, template):
    """A file of 0.4 MB whose sequences are nested 20,000 deep."""
    head = template.read_bytes()
    at = head.index(struct.pack("<HH", 0x7FE0, 0x0010))
    opening = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    path.write_bytes(head[:at] + (opening + item) * NESTED)


def _edit(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


BAD_FILES = {
    "empty.dcm": (b"", "empty"),
    "zeros.dcm": (bytes(4096), "not a DICOM"),
    "renamed.dcm": (b"\x89PNG\r\n\x1a\n" + bytes(500), "PNG"),
    "notes.txt": (b"a list of things to buy\n" * 40, "not a DICOM"),
    "cut.dcm": (b"\0" * 128 + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00\xc2", "damaged or cut off"),
    "damaged.nii.gz": (b"\x1f\x8b not really", "damaged or cut off"),
    "empty.nrrd": (b"", "empty"),
    "text.mha": (b"hello", "damaged or cut off"),
}


def test_files_that_are_no_scans_are_listed_with_reasons(make_series, scanned, loaded):
    folder = make_series()
    for name, (content, _) in BAD_FILES.items():
        (folder / name).write_bytes(content)
    scan = scanned(folder)
    assert scan.skipped.keys() == BAD_FILES.keys()
    for name, (_, reason) in BAD_FILES.items():
        assert reason in scan.skipped[name], name
    (series,) = scan.series
    assert loaded(series).complete


def test_what_is_no_file_is_listed(make_series, scanned, loaded):
    folder = make_series()
    os.mkfifo(folder / "pipe.dcm")
    (folder / "dangling.dcm").symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder)
    scan = scanned(folder, folder / "absent")
    assert "regular" in scan.skipped["pipe.dcm"]
    assert "does not exist" in scan.skipped["dangling.dcm"]
    assert "does not exist" in scan.skipped["absent"]
    assert loaded(scan.series[0]).complete


def test_unreadable_folder_and_disk(make_series, scanned, loaded, monkeypatch):
    folder = make_series()
    (folder / "locked").mkdir()
    (folder / "bad.dcm").write_bytes(b"x")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    scan = scanned(folder)
    assert "folder cannot be read" in scan.skipped["locked"]
    assert loaded(scan.series[0]).complete


def test_a_file_that_the_disk_cannot_give_is_a_sentence(tmp_path, monkeypatch):
    from pathlib import Path

    from workstation.io.header import open_regular

    for error, words in ((OSError(5, "I/O"), "disk"), (PermissionError(13, "no"), "permission")):

        def fail(*_args, error=error, **_more):
            raise error

        path = tmp_path / "slice.dcm"
        path.write_bytes(b"x")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", fail)
            with pytest.raises(InputError, match=words):
                open_regular(path)


def test_truncated_pixels_cost_one_slice(make_series, scanned, loaded):
    folder = make_series(shuffle=False, count=9)
    victim = folder / "0004.dcm"
    victim.write_bytes(victim.read_bytes()[:-700])
    (series,) = scanned(folder).series
    volume = loaded(series)
    assert (~volume.available).nonzero()[0].tolist() == [4]
    (notice,) = [one for one in volume.notices if one.severity is Severity.ERROR]
    assert "0004.dcm" in notice.text
    assert "1 unreadable slice" in notice.badge


def test_damaged_codestream_costs_one_slice(make_series, scanned, loaded):
    folder = make_series(shuffle=False, count=5, syntax=JPEG2000Lossless)
    content = bytearray((folder / "0002.dcm").read_bytes())
    at = content.index(b"\xff\x4f\xff\x51")
    content[at : at + 60] = bytes(60)
    (folder / "0002.dcm").write_bytes(content)
    volume = loaded(scanned(folder).series[0])
    assert (~volume.available).nonzero()[0].tolist() == [2]
    (notice,) = [one for one in volume.notices if one.severity is Severity.ERROR]
    assert "JPEG 2000" in notice.text


def test_rows_of_65535_are_refused_not_invented(make_series, scanned, loaded):
    folder = make_series(count=6, shuffle=False)
    _edit(folder / "0003.dcm", lambda dataset: setattr(dataset, "Rows", 65535))
    scan = scanned(folder)
    huge = next(series for series in scan.series if series.size[0] == 65535)
    with pytest.raises(InputError, match=r"0003\.dcm.*bytes"):
        loaded(huge)
    rest = next(series for series in scan.series if series.size[0] == 24)
    volume = loaded(rest)
    assert volume.voxels.shape[0] == 6
    assert int(volume.available.sum()) == 5


def test_claimed_length_beyond_the_file_is_refused(make_series, scanned, loaded):
    folder = make_series(count=1, shuffle=False)
    path = folder / "0000.dcm"
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OW"))
    content[at + 8 : at + 12] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"0000\.dcm"):
        loaded(scanned(folder).series[0])


def test_20000_nested_sequences_are_refused_within_a_second(make_series, scanned, loaded, pool):
    folder = make_series()
    _nested_sequences(folder / "nested.dcm", next(folder.glob("*.dcm")))
    assert 0.3e6 < (folder / "nested.dcm").stat().st_size < 0.5e6
    scanned(folder / "nested.dcm")  # processes warm
    before = pool.process_ids
    start = time.monotonic()
    scan = scanned(folder / "nested.dcm")
    assert time.monotonic() - start < 1.0
    assert "nested" in scan.skipped["nested.dcm"] or "damaged" in scan.skipped["nested.dcm"]
    assert pool.process_ids == before
    assert loaded(scanned(folder).series[0]).complete


def test_deflated_bomb_is_refused(make_series, scanned, loaded, pool):
    folder = make_series()
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    head = next(folder.glob("*.dcm"))
    meta = pydicom.dcmread(head)
    meta.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    meta.save_as(folder / "bomb.dcm")
    content = (folder / "bomb.dcm").read_bytes()
    group = 132 + 12 + struct.unpack("<I", content[140:144])[0]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = squeeze.compress(struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 0xF0000000))
    body += squeeze.flush(zlib.Z_FULL_FLUSH)
    zeros = squeeze.compress(bytes(1 << 24)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    body += zeros * 190  # 3 GB of zeros in 3 MB
    (folder / "bomb.dcm").write_bytes(content[:group] + body + squeeze.flush())
    assert (folder / "bomb.dcm").stat().st_size < 4e6
    scan = scanned(folder)
    assert "memory" in scan.skipped["bomb.dcm"]
    assert loaded(scan.series[0]).complete
    assert len(pool.process_ids) == pool.size


def test_unknown_syntax_is_named_and_listed(make_series, scanned, loaded):
    folder = make_series(count=3, shuffle=False)
    content = (folder / "0001.dcm").read_bytes()
    changed = content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0")
    (folder / "0001.dcm").write_bytes(changed)
    scan = scanned(folder)
    (odd,) = [series for series in scan.series if series.readable]
    assert "1.2.840.113619.5.2" in odd.readable
    assert "0001.dcm" in odd.readable
    with pytest.raises(InputError):
        loaded(odd)
    (rest,) = [series for series in scan.series if not series.readable]
    assert int(loaded(rest).available.sum()) == 2


def test_wrongly_declared_syntax_fails_instead_of_showing_noise(make_series, scanned, loaded):
    folder = make_series(count=3, shuffle=False)
    path = folder / "0001.dcm"
    declared = b"1.2.840.10008.1.2.4.90"
    content = path.read_bytes()
    at = content.index(b"1.2.840.10008.1.2.1\0")
    length = struct.unpack("<H", content[at - 2 : at])[0]
    total = struct.unpack("<I", content[140:144])[0] + len(declared) - length
    changed = content[: at - 2] + struct.pack("<H", len(declared)) + declared
    changed += content[at + length :]
    path.write_bytes(changed[:140] + struct.pack("<I", total) + changed[144:])
    volume = loaded(scanned(folder).series[0])
    assert (~volume.available).nonzero()[0].tolist() == [1]


def test_slope_of_zero_is_refused(make_series, scanned, loaded):
    def change(dataset, k):
        dataset.RescaleSlope = 0 if k == 1 else 1

    volume = loaded(scanned(make_series(count=3, change=change)).series[0])
    assert volume.available.tolist() == [True, False, True]
    assert any("slope" in notice.text for notice in volume.notices)


def test_no_pixel_data(make_series, scanned, loaded):
    def change(dataset, k):
        if k == 2:
            del dataset.PixelData

    scan = scanned(make_series(count=4, change=change))
    (document,) = [series for series in scan.series if series.readable]
    assert "without an image" in document.readable
    assert document.role == "document"
    assert loaded(scan.volumes[0]).voxels.shape[0] == 4


def test_wrong_modality_is_viewable_without_hounsfield_units(make_series, scanned, loaded):
    def change(dataset, _k):
        dataset.Modality = "MR"

    (series,) = scanned(make_series(change=change)).series
    volume = loaded(series)
    assert (series.modality, volume.unit) == ("MR", "")
    assert volume.complete


def test_mixed_patients_are_separate_studies(make_series, scanned, loaded):
    uids = generate_uid(), generate_uid()

    def change(dataset, k):
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uids
        dataset.PatientID = f"P{k % 2}"

    scan = scanned(make_series(count=8, change=change))
    assert len(scan.series) == 2
    assert len({series.study_key for series in scan.series}) == 2
    assert any("2 patients" in notice.text for notice in scan.finished.notices)
    assert all("Several patients" in series.notices[0].text for series in scan.series)
    assert all(series.count == 4 for series in scan.series)


def test_encrypted_zip_says_so(make_series, tmp_path, scanned):
    archive = tmp_path / "locked.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.write(next(make_series(count=1).glob("*.dcm")), "a.dcm")
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # the entry's "encrypted" flag, local and central
    central = content.index(b"PK\x01\x02")
    content[central + 8] |= 1
    archive.write_bytes(content)
    scan = scanned(archive)
    assert "encrypted" in scan.skipped["locked.zip"]
    assert scan.series == []


def _zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in entries:
            out.writestr(name, content)
    return path


def test_zip_of_a_series_opens_and_hostile_entries_are_left_out(
    make_series, tmp_path, scanned, loaded
):
    good = [(f"s/{path.name}", path.read_bytes()) for path in make_series().glob("*.dcm")]
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    hostile = [
        ("../../outside.dcm", b"x" * 200),
        ("/absolute.dcm", b"x" * 200),
        (link, b"/etc/passwd"),
        ("bomb.dcm", bytes(64 << 20)),
    ]
    scan = scanned(_zip(tmp_path / "study.zip", good + hostile))
    assert "outside" in scan.skipped["outside.dcm"]
    assert "outside" in scan.skipped["absolute.dcm"]
    assert "link" in scan.skipped["link.dcm"]
    assert "far more" in scan.skipped["bomb.dcm"]
    assert not (tmp_path.parent / "outside.dcm").exists()
    assert loaded(scan.series[0]).complete


def test_nested_and_damaged_archives(make_series, tmp_path, scanned, loaded):
    good = [(path.name, path.read_bytes()) for path in make_series().glob("*.dcm")]
    inner = _zip(tmp_path / "inner.zip", good)
    twice = _zip(tmp_path / "twice.zip", [("inner.zip", inner.read_bytes())])
    thrice = _zip(tmp_path / "thrice.zip", [("twice.zip", twice.read_bytes())])
    assert loaded(scanned(twice).series[0]).complete
    assert "inside an archive" in scanned(thrice).skipped["inner.zip"]
    broken = tmp_path / "broken.zip"
    broken.write_bytes(inner.read_bytes()[:1000])
    assert "damaged" in scanned(broken).skipped["broken.zip"]


def test_archive_with_too_many_entries_is_refused(tmp_path, scanned, monkeypatch):
    monkeypatch.setattr("workstation.io.unpack.MOST_ENTRIES", 10)
    archive = _zip(tmp_path / "many.zip", [(f"{n}.dcm", b"x") for n in range(11)])
    assert "11 files" in scanned(archive).skipped["many.zip"]


def test_archive_that_would_fill_the_disk_is_refused(tmp_path, scanned, monkeypatch):
    monkeypatch.setattr("workstation.io.unpack.MOST_BYTES", 1000)
    archive = _zip(tmp_path / "large.zip", [("a.dcm", os.urandom(2000))])
    assert "more than may be unpacked" in scanned(archive).skipped["large.zip"]


def test_too_little_memory_is_said_with_the_figure(make_series, scanned, loaded, monkeypatch):
    (series,) = scanned(make_series()).series
    monkeypatch.setattr("workstation.io.load._free_memory", lambda: 2**20)
    with pytest.raises(InputError, match=r"needs .* GB of memory"):
        loaded(series)


def test_pixels_outside_the_folder_of_a_metaimage_are_refused(tmp_path, scanned):
    header = "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
    (tmp_path / "a.mhd").write_text(header + "ElementDataFile = ../../../etc/passwd\n")
    assert "outside" in scanned(tmp_path / "a.mhd").skipped["a.mhd"]


def test_truncated_volume_file_is_refused(tmp_path, scanned, loaded):
    import SimpleITK

    path = tmp_path / "v.nrrd"
    image = SimpleITK.GetImageFromArray(np.ones((20, 30, 30), np.int16))
    SimpleITK.WriteImage(image, str(path), useCompression=False)
    path.write_bytes(path.read_bytes()[:-9000])
    (series,) = scanned(path).series
    with pytest.raises(InputError, match=r"v\.nrrd"):
        loaded(series)


def test_names_of_patients_stay_out_of_logs_and_messages(make_series, scanned, loaded, caplog):
    caplog.set_level(logging.DEBUG)
    folder = make_series(shuffle=False)
    (folder / "0001.dcm").write_bytes((folder / "0001.dcm").read_bytes()[:-100])
    scan = scanned(folder)
    assert scan.series[0].patient.name == "Canary^Yellow"
    said = [notice.text + notice.details for notice in loaded(scan.series[0]).notices]
    said += scan.skipped.values()
    assert "Canary" not in caplog.text + " ".join(said)


def test_cancelled_scan_ends_without_a_result(make_series, pool):
    cancelled = threading.Event()
    events = []
    for event in index_module.scan([make_series(count=30)], cancelled, pool):
        events.append(event)
        cancelled.set()
    assert not any(isinstance(event, index_module.ScanFinished) for event in events)


def test_own_pool_is_not_needed_for_a_second_scan(make_series, never):
    folder = make_series()
    with WorkerPool(size=1) as own:
        for _ in range(2):
            events = list(index_module.scan([folder], never, own))
            assert isinstance(events[-1], index_module.ScanFinished)
