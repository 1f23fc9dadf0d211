"""Synonyms for METEOR, from the WordNet 3.0 files that Debian packages.

nltk's own reader cannot open them: it wants two files that Debian leaves out (``lexnames``
and ``index.sense``), which METEOR never looks into. So the files are read here as wndb(5WN)
describes them, with the base forms of morphy(7WN).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

DEBIAN = Path("/usr/share/wordnet")
"""Where Debian's package wordnet-base puts its files."""

_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "verb": (
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}


class WordNetMissingError(Exception):
    """METEOR cannot be computed; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Lemma:
    """A word of a synset."""

    word: str

    def name(self) -> str:
        """Give the word as nltk's METEOR asks for it; ``_`` stands for a space."""
        return self.word


@dataclass(frozen=True)
class Synset:
    """Words of one meaning."""

    words: tuple[Lemma, ...]

    def lemmas(self) -> tuple[Lemma, ...]:
        """Give the words as nltk's METEOR asks for them."""
        return self.words


class _PartOfSpeech:
    """The three files of nouns, verbs, adjectives or adverbs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._endings = _ENDINGS[name]
        self._data = _read(folder / f"data.{name}")
        self._places = dict(_index(_read(folder / f"index.{name}").decode("latin-1")))
        exceptions = _read(folder / f"{name}.exc").decode("latin-1").splitlines()
        self._exceptions = {
            form: bases for form, *bases in map(str.split, exceptions) if bases
        }

    def synsets(self, word: str) -> Iterator[Synset]:
        """Yield the meanings of a word in lower case, and of its base forms."""
        bases = self._exceptions.get(word)
        if bases is None:
            bases = [
                word.removesuffix(old) + new for old, new in self._endings if word.endswith(old)
            ]
        for form in dict.fromkeys((word, *bases)):
            for place in self._places.get(form, ()):
                yield self._synset(place)

    def _synset(self, place: int) -> Synset:
        """Read the line at a byte: offset, file, type, words in hexadecimal, then the words."""
        line = self._data[place : self._data.find(b"\n", place)].decode("latin-1")
        fields = line.split(" ")
        if fields[0] != f"{place:08d}":
            raise WordNetMissingError(
                f"WordNet's files do not fit together: no synset stands at byte {place}. "
                "Install wordnet-base again."
            )
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        # An adjective may carry where it stands: "awake(p)".
        return Synset(tuple(Lemma(word.split("(")[0]) for word in words))


class WordNet:
    """What METEOR asks of WordNet: the meanings of a word."""

    def __init__(self, folder: Path) -> None:
        self._parts = [_PartOfSpeech(folder, name) for name in _ENDINGS]
        self.synsets = lru_cache(maxsize=65_536)(self._synsets)

    def _synsets(self, word: str) -> tuple[Synset, ...]:
        word = word.lower()
        return tuple(synset for part in self._parts for synset in part.synsets(word))


@cache
def wordnet(folder: Path = DEBIAN) -> WordNet:
    """Open WordNet once.

    Raises
    ------
    WordNetMissingError
        Where a file of it is not there.
    """
    return WordNet(folder)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WordNetMissingError(
            f"METEOR needs WordNet, and {path} cannot be read ({error.strerror}). Install it "
            "with 'apt-get install wordnet-base', or name its folder with --wordnet."
        ) from error


def _index(text: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield each word with the bytes of its synsets: the last fields of its line."""
    for line in text.splitlines():
        if line.startswith(" "):
            continue  # the licence
        word, _, count, *rest = line.split()
        yield word, tuple(int(place) for place in rest[len(rest) - int(count) :])
