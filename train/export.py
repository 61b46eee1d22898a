"""``python -m train.export``: a checkpoint's mean weights as a one-hop ONNX graph that describes itself."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from .compiled import check_backend
from .errors import TrainingError


def count_macs(model) -> int:
    """Multiply-accumulates of one call: convolutions and matrix products."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {t.name: list(t.dims) for t in inferred.initializer}
    for value in [*inferred.input, *inferred.output, *inferred.value_info]:
        shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
    macs = 0
    for node in inferred.node:
        if node.op_type == "Conv":
            macs += math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type in ("MatMul", "Gemm"):
            macs += math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    return macs


def export(checkpoint: Path, out: Path, about: dict[str, str], filter_of: Path | None = None) -> None:
    """Write the checkpoint's mean weights to ``out``.

    Args:
        checkpoint: of ``python -m train``.
        out: ONNX file.
        about: version, data and licences, for its metadata.
        filter_of: another ONNX file, whose pitch filter is taken over.

    Raises:
        TrainingError: ``checkpoint`` is none, or ``filter_of`` has no filter.
    """
    from rtdenoise.config import STREAM_TRANSFORM

    from .checkpoint import load_weights
    from .stream_graph import stream_graph
    from .task import build_net

    config, weights = load_weights(checkpoint)
    net = build_net(config)
    net.set_weights(weights)
    model = stream_graph(net)
    facts = {
        "rtdenoise_format": 1,
        "name": "stream",
        "sample_rate": STREAM_TRANSFORM.sample_rate,
        "window_length": STREAM_TRANSFORM.window_length,
        "hop_length": STREAM_TRANSFORM.hop_length,
        "n_bins": STREAM_TRANSFORM.n_bins,
        "compression": net.config.compression,
        "parameters": net.count_params(),
        "macs_per_hop": count_macs(model),
    } | about
    if filter_of:
        facts["pitch_filter"] = _pitch_filter(filter_of)
    write_model(model, out, facts)


def _pitch_filter(file: Path) -> str:
    from rtdenoise.errors import ModelError
    from rtdenoise.model import Model

    try:
        return Model.load(file).metadata["pitch_filter"]
    except (ModelError, KeyError) as problem:
        found = problem if isinstance(problem, ModelError) else "it has none"
        raise TrainingError(
            f"no pitch filter can be taken from {file}: {found}; python -m train.comb makes one"
        ) from problem


def write_model(model, out: Path, facts: dict[str, object]) -> None:
    """Check ``model``, put ``facts`` into its metadata and write it to ``out``, beside and renamed.

    Raises:
        TrainingError: it cannot be written; what was there before is untouched.
    """
    import onnx

    onnx.helper.set_model_props(model, {k: str(v) for k, v in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    partial = out.with_name(out.name + ".partial")
    try:
        onnx.save(model, partial)
        os.replace(partial, out)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise TrainingError(f"cannot write {out}: {problem.strerror or problem}") from problem
    print(f"{out}: {facts['parameters']} parameters, {facts['macs_per_hop']} multiply-accumulates a call")


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.export", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--model", choices=["stream", "unet8k"], default="stream", help="which one (default: stream)")
    parser.add_argument("--out", type=Path, help="(default: where the package keeps its weights)")
    parser.add_argument("--version", default="1", help="of the weights; the start line shows it")
    for what in ("training-data", "training-data-licence", "weights-licence"):
        parser.add_argument(f"--{what}", default="not stated", help="text for the file's metadata")
    parser.add_argument(
        "--filter-of", type=Path, help="stream: a model whose pitch filter to take; train.comb makes one"
    )
    given = parser.parse_args(arguments)
    out = given.out or Path(__file__).parent.parent / "rtdenoise" / "weights" / f"{given.model}.onnx"
    try:
        about = {k: getattr(given, k) for k in ("version", "training_data", "training_data_licence", "weights_licence")}
        check_backend()
        if given.model == "unet8k":
            from .unet8k.export import export as export_unet8k

            export_unet8k(given.checkpoint, out, about)
        else:
            export(given.checkpoint, out, about, given.filter_of)
    except TrainingError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
