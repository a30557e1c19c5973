"""Fuzz every file that is read: models, weights, ensembles, backups, tables of text.

    python tools/fuzz_files.py [--seconds N] [--seed N] [--target NAME]

Files are damaged at random, and those that make the reader take a new way are kept and damaged
further (by the lines that were run, as libFuzzer does by branches): bytes are flipped, inserted and
cut; of a safetensors file also the values of the JSON in its header, with the length put right
again, so that damage gets past the first checks. The corpus starts with small files that are made
here and with those of tests/data/fuzz, which earlier runs have found worth keeping (`--keep` adds).

A file is either read, or refused by ValueError or OSError with a message of one line that names it.
Anything else (another exception, a warning, a second of time, 200 MB) is printed with the file's
bytes, saved in build/fuzz, and gives status 1. What was read must be usable, and a model that is
saved again must be the same.
"""

import argparse
import hashlib
import io
import json
import random
import resource
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

from fuzz_targets import TARGETS, Read, Target

import densecore as dc
from densecore._saving.keras_files import DAMAGED

ROOT = Path(__file__).parents[1]
CORPUS, FOUND = ROOT / "tests" / "data" / "fuzz", ROOT / "build" / "fuzz"
PACKAGE = str(Path(dc.__file__).parent)
MOST_SECONDS, MOST_MEGABYTES = 1.0, 200


# Damage ------------------------------------------------------------------------------------------

STRANGE: list[Any] = [None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 0.5, 1e308, -0.0]
STRANGE += [float("nan"), float("inf"), "", "x", "relu", "Dense", "é\ud800", "a" * 5000, [], {}]
STRANGE += [[[]], [1, 2, 3], {"": None}, {"name": "adam"}, {"class": "Dense", "units": 3}]
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, ord("{"), ord('"'), ord("\\"), ord(","), ord("\n")]


def damaged_bytes(data: bytes, chance: random.Random, other: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(len(found) + 1)
        size = chance.choice((1, 1, 2, 8, 100))
        kind = chance.randrange(6)
        if kind == 0 and place < len(found):
            found[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and place < len(found):
            found[place] = chance.choice((*NUMBERS, chance.randrange(256)))
        elif kind == 2:
            del found[place : place + size]
        elif kind == 3:
            found[place:place] = bytes(chance.choice(NUMBERS) for _ in range(size))
        elif kind == 4:
            found[place:place] = found[place : place + size]
        else:
            start = chance.randrange(len(other) + 1)
            found[place : place + size] = other[start : start + size]
    return bytes(found)


def places_of(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        found.append((value, key))
        if isinstance(inner, dict | list):
            places_of(inner, found)
    return found


def damaged_json(value: Any, chance: random.Random) -> None:
    places = places_of(value, [])
    for _ in range(chance.choice((1, 1, 2, 5))):
        if not places:
            return
        container, key = chance.choice(places)
        try:
            inner = container[key]
        except (KeyError, IndexError):
            continue  # an earlier damage took it away
        kind = chance.randrange(6)
        if kind == 0:
            container[key] = chance.choice(STRANGE)
        elif kind == 1:
            del container[key]
        elif kind == 2 and isinstance(inner, int | float):
            container[key] = inner + chance.choice((-1, 1, 1000, -1e6, 0.5))
        elif kind == 3 and isinstance(inner, list):
            inner.extend(inner * chance.choice((1, 3, 2000 // (len(inner) + 1))))
        elif kind == 4 and isinstance(container, dict):
            container[chance.choice(("", "x", key + "_", "name", "units"))] = inner
        else:
            container[key] = chance.choice(places)[0].copy()


def damaged_archive(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A ZIP file with one of its files damaged: the checksums are right again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    except DAMAGED:
        return damaged_bytes(data, chance, other)
    name = chance.choice(list(parts) or ["config.json"])
    if name.endswith(".json") and chance.random() < 0.9:
        try:
            config = {"": json.loads(parts[name])}
            damaged_json(config, chance)
            parts[name] = json.dumps(config.get("")).encode("utf-8", "surrogatepass")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            parts[name] = b""
    else:
        parts[name] = damaged_bytes(parts.get(name, b""), chance, other)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return made.getvalue()


def damaged(data: bytes, binary: bool, chance: random.Random, other: bytes) -> bytes:
    if data[:2] == b"PK" and chance.random() < 0.8:
        return damaged_archive(data, chance, other)
    if not binary or chance.random() < 0.3:
        return damaged_bytes(data, chance, other)
    try:
        (size,) = struct.unpack("<Q", data[:8])
        header, tensors = json.loads(data[8 : 8 + size]), data[8 + size :]
        metadata = header.get("__metadata__")
        if isinstance(metadata, dict) and chance.random() < 0.8:
            name = chance.choice(list(metadata) or [""])
            config = {"": json.loads(metadata[name])}
            damaged_json(config, chance)
            metadata[name] = json.dumps(config.get(""))
        else:
            damaged_json(header, chance)
        text = json.dumps(header).encode("utf-8", "surrogatepass")
    except (ValueError, TypeError, KeyError, AttributeError, struct.error, RecursionError):
        return damaged_bytes(data, chance, other)
    return struct.pack("<Q", len(text)) + text + tensors


# Running -----------------------------------------------------------------------------------------


class Ways:
    """The lines of the package that a call runs, each with the one before."""

    def __init__(self) -> None:
        self.seen: set[Any] = set()
        self.new = False

    def trace(self, frame: Any, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        code, before = frame.f_code, 0

        def lines(frame: Any, event: str, argument: Any) -> Any:
            nonlocal before
            way = (code, before, frame.f_lineno)
            before = frame.f_lineno
            if way not in self.seen:
                self.seen.add(way)
                self.new = True
            return lines

        return lines


def verdict(read: Read, path: Path, ways: Ways | None) -> str | None:
    """What is wrong with how a file was read, if anything is."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    wrong = None
    if ways is not None:
        sys.settrace(ways.trace)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(path)
    except (ValueError, OSError) as error:
        text = str(error)
        if "\n" in text or len(text) > 2000:
            lines = text.count("\n") + 1
            wrong = f"a message of {lines} lines, {len(text)} characters: {text[:300]}"
        elif path.name not in text:
            wrong = f"the message does not name the file: {text[:300]}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        wrong = f"{type(error).__name__}: {error}"[:500]
    finally:
        sys.settrace(None)
    seconds = time.perf_counter() - start
    if wrong is None and seconds > MOST_SECONDS and ways is None:
        wrong = f"took {seconds:.1f} s"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    if wrong is None and grown > MOST_MEGABYTES:
        wrong = f"took {grown} MB"
    return wrong


def fuzz(name: str, target: Target, seconds: float, seed: int, keep: bool, folder: Path) -> int:
    chance, ways, path = random.Random(seed), Ways(), folder / f"file{target.ending}"
    corpus = target.seeds(folder)
    for data in corpus:
        path.write_bytes(data)
        target.read(path)  # a file that is not read is none to begin with
    if (CORPUS / name).is_dir():
        corpus += [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]
    begun, failures, runs, kept = len(corpus), 0, 0, []
    for data in corpus:
        path.write_bytes(data)
        verdict(target.read, path, ways)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = damaged(chance.choice(corpus), target.binary, chance, chance.choice(corpus))
        path.write_bytes(data)
        runs += 1
        ways.new = False
        # Tracing costs more than reading: most runs go without.
        wrong = verdict(target.read, path, ways if runs % 4 == 0 else None)
        if ways.new and len(data) < 20_000:
            corpus.append(data)
            kept.append(data)
        if wrong is not None:
            failures += 1
            FOUND.mkdir(parents=True, exist_ok=True)
            file = FOUND / f"{name}-{hashlib.sha1(data).hexdigest()[:10]}"
            file.write_bytes(data)
            print(f"{name}: {wrong}\n  {file}", flush=True)
            if failures > 20:
                break
    print(f"{name}: {runs} files, {len(corpus)} kept ({begun} to begin with), {failures} wrong")
    if keep:
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        for data in sorted(kept, key=len)[:20]:
            (CORPUS / name / hashlib.sha1(data).hexdigest()[:10]).write_bytes(data)
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, metavar="N", help="for each kind")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this kind")
    parser.add_argument("--keep", action="store_true", help="add to the corpus in tests/data/fuzz")
    args = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in args.target or TARGETS:
            failures += fuzz(name, TARGETS[name], args.seconds, args.seed, args.keep, Path(folder))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
