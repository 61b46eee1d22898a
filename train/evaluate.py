"""``python -m train.evaluate``: what a model does to pairs of noisy and clean speech, in the product's engine."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtdenoise import ModelError, denoise

from .data import DataError, find_audio, read_mono
from .metrics import RATE, si_sdr_db

Row = dict[str, float]


def metrics(estimate: NDArray[np.float32], clean: NDArray[np.float32]) -> Row:
    """PESQ-WB (ITU-T P.862.2), ESTOI and STOI (Taal et al. 2011, Jensen and Taal 2016), SI-SDR in dB, DNSMOS P.835."""
    from pesq import pesq
    from pystoi import stoi
    from speechmos import dnsmos

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opinion = dnsmos.run(np.clip(estimate, -1, 1).astype(np.float64), RATE)
        return {
            "PESQ-WB": pesq(RATE, clean, estimate, "wb"),
            "ESTOI": stoi(clean, estimate, RATE, extended=True),
            "STOI": stoi(clean, estimate, RATE),
            "SI-SDR": float(si_sdr_db(estimate, clean)),
            "SIG": opinion["sig_mos"],
            "BAK": opinion["bak_mos"],
            "OVRL": opinion["ovrl_mos"],
        }


def measure_pair(model: str, noisy_file: Path) -> dict[str, Row]:
    """One pair: as recorded, denoised, and the clean file denoised."""
    noisy = read_mono(noisy_file, RATE)
    clean = read_mono(noisy_file.parent.parent / "clean" / noisy_file.name, RATE)
    return {
        "noisy": metrics(noisy, clean),
        "denoised": metrics(denoise(noisy, RATE, model), clean),
        "clean, denoised": metrics(denoise(clean, RATE, model), clean),
    }


def evaluate(model: str, data: Path, processes: int = 2) -> dict[str, dict[str, Row]]:
    """``{group: {kind: means}}`` over ``data/noisy`` and ``data/clean`` (or below ``data/valid``); groups are all
    pairs and, where file names say ``snr<dB>``, each SNR.

    Raises:
        DataError: no such folders, or names that do not pair.
    """
    root = data / "valid" if (data / "valid").is_dir() else data
    files = find_audio(root / "noisy")
    if unpaired := [f.name for f in files if not (root / "clean" / f.name).exists()]:
        raise DataError(f"{root / 'clean'} lacks {', '.join(unpaired[:3])}: pairs carry the same name in both folders")
    with ProcessPoolExecutor(processes) as pool:
        rows = list(pool.map(partial(measure_pair, model), files))
    groups: dict[str, list[dict[str, Row]]] = {"all": rows}
    for file, row in zip(files, rows, strict=True):
        if found := re.search(r"snr([+-]?\d+)", file.stem):
            groups.setdefault(f"{int(found[1]):+d} dB", []).append(row)
    return {
        f"{name} ({len(members)})": {
            kind: {m: float(np.mean([r[kind][m] for r in members])) for m in members[0][kind]} for kind in members[0]
        }
        for name, members in groups.items()
    }


def as_markdown(model: str, result: dict[str, dict[str, Row]]) -> str:
    """The means as a table."""
    columns = list(next(iter(next(iter(result.values())).values())))
    lines = [f"`{model}`", "", "| pairs | | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    for group, kinds in result.items():
        for kind, row in kinds.items():
            figures = (
                f"{row[c]:.1f}" if c == "SI-SDR" else f"{row[c]:.3f}" if "STOI" in c else f"{row[c]:.2f}"
                for c in columns
            )
            lines.append(f"| {group} | {kind} | " + " | ".join(figures) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.evaluate", description=__doc__)
    parser.add_argument("--model", default="stream", help="name of a packaged model, or an ONNX file")
    parser.add_argument("--data", type=Path, required=True, help="folder with noisy/ and clean/ (or valid/ with both)")
    parser.add_argument("--report", type=Path, help="write the table here too")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    try:
        table = as_markdown(given.model, evaluate(given.model, given.data, given.processes))
    except (DataError, ModelError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(table)
    if given.report:
        given.report.write_text(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
