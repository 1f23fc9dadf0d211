"""Tokenizers of a checkpoint, made so that what is typed is only ever text.

A published tokenizer has tokens besides those of its vocabulary: end of text, the image's
place, calls of tools. Those that its maker flagged special are passed over when
``encode_special_tokens`` is set; the others would still be found in a question, so they are
moved into the vocabulary proper: no merge leads to them, and they can still be read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from tokenizers import Tokenizer, pre_tokenizers

from model_runtime.checkpoints.files import inside
from model_runtime.errors import WeightsError
from model_runtime.json_text import LARGEST, parse_json

PATCH = "<im_patch>"
_Table: TypeAlias = dict[str, Any]

# How Qwen2 cuts a text before merging: contractions, words, single digits, signs, white space.
_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def decoder_tokenizer(folder: Path, vocabulary: int) -> tuple[Tokenizer, int]:
    """Read the language model's tokenizer: ``tokenizer.json``, or the older three files.

    Returns
    -------
    Tokenizer
    int
        The id of ``<im_patch>``.

    Raises
    ------
    WeightsError
        Where it is missing, damaged, larger than ``vocabulary`` or without ``<im_patch>``.
    """
    if (folder / "tokenizer.json").is_file():
        table = _read(folder, "tokenizer.json")
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        table = _qwen(folder)
    else:
        raise WeightsError(
            f"{folder} lacks its tokenizer: tokenizer.json, or vocab.json and merges.txt. "
            "Copy the whole checkpoint."
        )
    tokenizer = plain_text_only(table, folder)
    check_size(tokenizer, vocabulary, folder)
    place = tokenizer.token_to_id(PATCH)
    if place is None:
        raise WeightsError(
            f"The tokenizer in {folder} does not know {PATCH}. It belongs to another model."
        )
    return tokenizer, place


def text_tokenizer(folder: Path, vocabulary: int) -> Tokenizer:
    """Read the contrastive text tower's tokenizer: ``tokenizer.json`` or ``vocab.txt``.

    Raises
    ------
    WeightsError
        Where it is missing, damaged, larger than ``vocabulary`` or not a BERT's.
    """
    if (folder / "tokenizer.json").is_file():
        table = _read(folder, "tokenizer.json")
    elif (folder / "vocab.txt").is_file():
        table = _word_pieces(folder)
    else:
        raise WeightsError(
            f"{folder} lacks the tokenizer of its text tower (vocab.txt or tokenizer.json). "
            "Take it from the text model that its config.json names and put it beside the "
            "weights."
        )
    tokenizer = plain_text_only(table, folder)
    check_size(tokenizer, vocabulary, folder)
    if tokenizer.token_to_id("[CLS]") is None or tokenizer.token_to_id("[SEP]") is None:
        raise WeightsError(f"The tokenizer in {folder} knows no [CLS] and [SEP]; it is not BERT's.")
    return tokenizer


def house_tokenizer(folder: Path, vocabulary: int) -> Tokenizer:
    """Read the tokenizer of our own layout, which serves both networks.

    Raises
    ------
    WeightsError
        Where it is damaged, larger than ``vocabulary`` or without ``<cls>``.
    """
    tokenizer = plain_text_only(_read(folder, "tokenizer.json"), folder)
    check_size(tokenizer, vocabulary, folder)
    if tokenizer.token_to_id("<cls>") is None:
        raise WeightsError(f"The tokenizer in {folder} knows no <cls>; it is of another model.")
    return tokenizer


def plain_text_only(table: _Table, folder: Path) -> Tokenizer:
    """Build a tokenizer that turns nothing typed into a special token.

    Raises
    ------
    WeightsError
        Where the table is not a tokenizer's.
    """
    try:
        if table["model"]["type"] == "BPE":
            _tame(table)
        tokenizer = Tokenizer.from_str(json.dumps(table))
    # The tokenizers library raises plain Exceptions only, which nothing narrower catches; the
    # fault goes on as the cause of a sentence.
    except Exception as error:
        raise WeightsError(f"The tokenizer in {folder} is damaged: {error}.") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def check_size(tokenizer: Tokenizer, known: int, folder: Path) -> None:
    """Compare the tokenizer's largest id with the model's embeddings.

    Raises
    ------
    WeightsError
        Where a token has no embedding.
    """
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= known:
        raise WeightsError(
            f"The tokenizer.json does not fit the config.json of {folder}: it goes up to token "
            f"{largest}, the model knows {known}. It belongs to another model."
        )


def _tame(table: _Table) -> None:
    """Give every added token its place in the vocabulary; only the special stay added."""
    vocabulary: dict[str, int] = table["model"]["vocab"]
    added = table.get("added_tokens") or []
    for token in added:
        content = token["content"] if token["special"] else _visible(token["content"])
        vocabulary.setdefault(content, token["id"])
    table["added_tokens"] = [token for token in added if token["special"]]


def _visible(text: str) -> str:
    """Write a text in the letters that stand for bytes in a byte-level vocabulary."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return "".join(piece for piece, _ in spelled.pre_tokenize_str(text))


def _qwen(folder: Path) -> _Table:
    """Put together what ``tokenizer.json`` would say, from the files of the older form."""
    merges = [
        line.split(" ")
        for line in _text(folder, "merges.txt").splitlines()
        if line and not line.startswith("#version")
    ]
    space = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    words = {"type": "Split", "pattern": {"Regex": _QWEN_WORDS}, "behavior": "Isolated"}
    return {
        "version": "1.0",
        "added_tokens": _added(folder),
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [words | {"invert": False}, space | {"use_regex": False}],
        },
        "decoder": space | {"use_regex": False},
        "model": {"type": "BPE", "vocab": _read(folder, "vocab.json"), "merges": merges},
    }


def _added(folder: Path) -> list[_Table]:
    """List the tokens besides the vocabulary; those without a flag are taken for special."""
    stated: _Table = {}
    if (folder / "added_tokens.json").is_file():
        stated = {str(place): text for text, place in _read(folder, "added_tokens.json").items()}
    if (folder / "tokenizer_config.json").is_file():
        stated |= _read(folder, "tokenizer_config.json").get("added_tokens_decoder") or {}
    form = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    tokens = []
    for place, token in sorted(stated.items(), key=lambda item: int(item[0])):
        content = token if isinstance(token, str) else token["content"]
        special = isinstance(token, str) or bool(token.get("special", True))
        tokens.append(form | {"id": int(place), "content": content, "special": special})
    return tokens


def _word_pieces(folder: Path) -> _Table:
    """Put together what a BERT's ``tokenizer.json`` would say, from its list of pieces."""
    pieces = _text(folder, "vocab.txt").splitlines()
    places = {piece: place for place, piece in enumerate(pieces)}
    lower = True
    if (folder / "tokenizer_config.json").is_file():
        lower = bool(_read(folder, "tokenizer_config.json").get("do_lower_case", True))
    form = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [
        form | {"id": places[token], "content": token, "special": True}
        for token in _BERT_SPECIAL
        if token in places
    ]
    return {
        "version": "1.0",
        "added_tokens": sorted(added, key=lambda token: token["id"]),
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
            "strip_accents": None, "lowercase": lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": places,
        },
    }  # fmt: skip


def _text(folder: Path, name: str) -> str:
    try:
        path = inside(folder, name)
        if path.stat().st_size > LARGEST:
            raise WeightsError(f"{path} is damaged: it is larger than {LARGEST >> 20} MB.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{folder / name} cannot be read: {error}.") from error


def _read(folder: Path, name: str) -> _Table:
    try:
        table = parse_json(_text(folder, name))
    except ValueError as error:
        raise WeightsError(f"{folder / name} is damaged: {error}.") from error
    if not isinstance(table, dict):
        raise WeightsError(f"{folder / name} is damaged: it is not a table.")
    return table
