"""WordNet read by us, against nltk's own reader on the same files."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import nltk
import pytest
from nltk.corpus.reader.wordnet import WordNetCorpusReader

from model_runtime.evaluation.wordnet import DEBIAN, WordNetMissingError, wordnet
from model_runtime.phantom.case import KINDS
from model_runtime.phantom.phrases import POSITIVE

_WORDS = (
    "dogs", "geese", "men", "churches", "boxes", "ponies", "wolves", "buzzes", "axes", "was",
    "better", "bigger", "finest", "running", "tried", "measures", "aching", "alive", "Party",
    "PARTY", "seen", "is", "qqqq", "", "a", "s", "ing", "kidney stone", "kidney_stone", "%",
)  # fmt: skip


class _Reader(WordNetCorpusReader):
    """nltk's reader without the files that Debian leaves out."""

    def open(self, file):
        if file == "lexnames":
            return io.StringIO("".join(f"{n:02d}\tname.{n}\t1\n" for n in range(45)))
        return super().open(file)

    def map_wn(self, version="wordnet"):
        return None


@pytest.fixture(scope="module")
def oracle():
    nltk.data.path.append(str(DEBIAN))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield _Reader(str(DEBIAN), None)
    nltk.data.path.remove(str(DEBIAN))


def test_meanings_are_nltks(oracle) -> None:
    phrases = " ".join(" ".join(told) for told in POSITIVE.values())
    words = {*_WORDS, *KINDS, *phrases.replace(".", "").split()}
    assert len(words) > 100
    for word in words:
        ours = [[lemma.name() for lemma in synset.lemmas()] for synset in wordnet().synsets(word)]
        theirs = [[lemma.name() for lemma in synset.lemmas()] for synset in oracle.synsets(word)]
        assert ours == theirs, word


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for path in DEBIAN.iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "data.noun").unlink()
    (tmp_path / "data.noun").write_bytes(b"\n" + (DEBIAN / "data.noun").read_bytes())
    with pytest.raises(WordNetMissingError, match="do not fit together"):
        wordnet(tmp_path).synsets("dog")
