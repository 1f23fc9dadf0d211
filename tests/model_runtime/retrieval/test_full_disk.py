"""An index that the disk does not take leaves the one that was there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_WRITE = """
import resource, sys
from pathlib import Path
import numpy as np
from model_runtime.retrieval.index import save_embeddings
folder = Path(sys.argv[1])
save_embeddings(folder, ["a"], np.ones((1, 8), np.float32), "sha")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
rng = np.random.default_rng(0)
try:
    save_embeddings(folder, ["b"], rng.random((1, 100_000), np.float32), "sha")
except OSError as error:
    print(error.errno)
print(*sorted(path.name for path in folder.iterdir()))
with np.load(folder / "embeddings.npz") as stored:
    print(*stored["ids"])
"""


def test_a_full_disk_keeps_the_old_index(tmp_path: Path, repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, str(tmp_path)],
        check=True, capture_output=True, text=True, cwd=repository,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["27", "embeddings.npz", "a"]
