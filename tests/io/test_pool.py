"""Processes that crash, hang or outgrow their memory cost one file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workstation.io.pool import WorkerPool
from workstation.io.shared import SharedBlock


@pytest.fixture
def unkind(monkeypatch, tmp_path):
    """A pool whose processes know jobs that misbehave."""
    (tmp_path / "unkind.py").write_text(
        "import os, signal, time\n"
        "def job(item):\n"
        "    if item['do'] == 'crash': os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if item['do'] == 'hang': time.sleep(60)\n"
        "    if item['do'] == 'grow': return {'size': len(bytearray(3 << 30))}\n"
        "    if item['do'] == 'once' and not os.path.exists(item['mark']):\n"
        "        open(item['mark'], 'w').close(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "    if item['do'] == 'print': os.write(1, b'noise'); print('noise')\n"
        "    return {'did': item['do']}\n"
    )
    (tmp_path / "unkind_worker.py").write_text(
        "from workstation.io import worker\n"
        "worker._JOBS['job'] = ('unkind', 'job')\n"
        "worker.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(
        "workstation.io.attendant._command", lambda: [sys.executable, "-m", "unkind_worker"]
    )
    with WorkerPool(size=2, timeout=1.0) as pool:
        yield pool


def _run(pool, never, *does, **more):
    items = [{"do": do, **more} for do in does]
    return sorted(pool.run("job", items, never, batch=4), key=lambda one: one.index)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("crash", "stopped while it read"), ("hang", "longer than 1 s"), ("grow", "memory")],
)
def test_a_fault_costs_one_file(unkind, never, fault, words):
    outcomes = _run(unkind, never, "good", fault, "good", "good", "good", "good")
    assert [one.value is None for one in outcomes] == [False, True, False, False, False, False]
    assert words in outcomes[1].reason
    again = _run(unkind, never, "good", "good")
    assert all(one.value for one in again)


def test_a_process_killed_from_outside_costs_nothing(unkind, never, tmp_path):
    outcomes = _run(unkind, never, "once", "good", mark=str(tmp_path / "mark"))
    assert all(one.value for one in outcomes)
    assert (tmp_path / "mark").exists()


def test_what_a_codec_prints_does_not_mix_with_answers(unkind, never):
    assert [one.value["did"] for one in _run(unkind, never, "print", "good")] == ["print", "good"]


def test_kill_in_the_middle_of_a_load(make_series, scanned, never):
    from workstation.io.load import load

    folder = make_series(count=120)
    (series,) = scanned(folder).series
    with WorkerPool() as own:
        steps = load(series, never, own)
        next(steps)
        for process in own.process_ids:
            os.kill(process, signal.SIGKILL)
        last = list(steps)[-1]
        assert last.done == 120
        assert int(last.volume.available.sum()) >= 118


def test_starting_does_not_block():
    start = time.monotonic()
    pool = WorkerPool()
    assert time.monotonic() - start < 0.3
    pool.close()
    assert pool.process_ids == ()


def test_closing_leaves_no_process_behind(never):
    pool = WorkerPool()
    list(pool.run("headers", [{"path": "/nowhere"}] * 4, never))
    processes = [psutil.Process(number) for number in pool.process_ids]
    assert len(processes) == 2
    pool.close()
    assert psutil.wait_procs(processes, timeout=5)[1] == []


PROGRAM = """
import sys, threading, time
from workstation.io.pool import WorkerPool
def main():
    pool = WorkerPool()
    list(pool.run("headers", [{"path": "/nowhere"}] * 4, threading.Event()))
    while len(pool.process_ids) < 2: time.sleep(0.01)
    print(*pool.process_ids, flush=True)
    if sys.argv[1:] == ["wait"]: time.sleep(60)
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("way", ["module", "script"])
def test_processes_end_with_a_killed_program(way, tmp_path, repository):
    (tmp_path / "program.py").write_text(PROGRAM)
    start = ["-m", "program"] if way == "module" else [str(tmp_path / "program.py")]
    environment = {**os.environ, "PYTHONPATH": f"{repository}{os.pathsep}{tmp_path}"}
    with subprocess.Popen(
        [sys.executable, *start, "wait"], stdout=subprocess.PIPE, env=environment, text=True
    ) as program:
        processes = [psutil.Process(int(number)) for number in program.stdout.readline().split()]
        assert len(processes) == 2
        program.kill()
    assert psutil.wait_procs(processes, timeout=5)[1] == []


def test_a_forgotten_pool_does_not_keep_the_program_alive(tmp_path, repository):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stderr == ""


def test_the_process_stays_light():
    code = "import sys, workstation.io.pool, workstation.io.index, workstation.io.load;"
    code += "import workstation.io.worker;"
    code += "print(*sorted({'PySide6','torch','vtk','vtkmodules','SimpleITK','pydicom'}"
    code += " & set(sys.modules)))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == ""


def test_shared_memory_leaves_nothing_behind():
    block = SharedBlock((2, 3, 4))
    before = set(Path(f"/proc/{os.getpid()}/fd").iterdir())
    block.voxels[1] = 7
    block.close()
    assert len(before) > len(set(Path(f"/proc/{os.getpid()}/fd").iterdir()))
    assert (block.voxels[1] == 7).all()
