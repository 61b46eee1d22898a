"""Hazard: a model that does not keep to the agreement runs all the same, or fails without a word on why."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_models import (
    METADATA,
    N_BINS,
    save,
    save_constant,
    save_delay,
    save_features,
    save_features_inside,
    save_leaky,
    tensor,
)

from rtdenoise import Denoiser, Model, ModelError, available_models, denoise
from rtdenoise import model as model_module
from rtdenoise.features import compress_numpy

FRAME = [1, N_BINS, 2]


def identity_nodes(source: str = "frame", target: str = "mask"):
    return [helper.make_node("Identity", [source], [target])]


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("rtdenoise_format", None, "rtdenoise_format None in its metadata, expected '1'"),
        ("rtdenoise_format", "2", "rtdenoise_format '2' in its metadata, expected '1'"),
        ("name", None, "no 'name' in its metadata"),
        ("version", "", "no 'version' in its metadata"),
        ("training_data", None, "no 'training_data'"),
        ("training_data_licence", None, "no 'training_data_licence'"),
        ("weights_licence", None, "no 'weights_licence'"),
        ("sample_rate", None, "sample_rate None in its metadata, expected a whole number"),
        ("sample_rate", "16 kHz", "sample_rate '16 kHz' in its metadata, expected a whole number"),
        ("sample_rate", "0", "a transform that cannot be used"),
        ("sample_rate", "44100", "a transform that cannot be used.*scales to all native rates"),
        ("window_length", "512.0", "window_length '512.0'"),
        ("window_length", "500", "a transform that cannot be used|n_bins 257"),
        ("hop_length", "-128", "hop_length '-128'"),
        ("hop_length", "0", "a transform that cannot be used"),
        ("hop_length", "400", "a transform that cannot be used.*at least three hops"),
        ("n_bins", "256", "n_bins 256, expected 257 for a window of 512"),
        ("compression", "much", "compression 'much' in its metadata, expected a number above 0 and up to 1, or none"),
        ("compression", "0", "compression '0'"),
        ("compression", "1.01", "compression '1.01'"),
        ("compression", "nan", "compression 'nan'"),
        ("compression", "", "compression ''"),
        ("compression", "0.3", r"inputs \['frame'\], expected features and state_\*"),
        ("pitch_filter", "yes!", "a pitch_filter in its metadata that cannot be read .*, expected float32 in base64"),
        ("pitch_filter", "AAA=", "a pitch_filter in its metadata that cannot be read"),
        (
            "pitch_filter",
            "AAAAAA==",
            "a pitch_filter of 1 weights, 1 of them finite, expected 10257 finite ones, or none",
        ),
        ("pitch_filter", "AADAfwAAwH8AAMB/" * 3419, "a pitch_filter of 10257 weights, 0 of them finite"),
        ("parameters", "many", "parameters 'many'"),
        ("macs_per_hop", None, "macs_per_hop None"),
    ],
)
def test_metadata_are_checked(tmp_path, entry, value, message):
    path = save_constant(tmp_path / "model.onnx", **{entry: value})
    with pytest.raises(ModelError, match=message) as caught:
        Model.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def wrong_graphs():
    frame, mask = tensor("frame", FRAME), tensor("mask", FRAME)
    state = tensor("state_a", [1, 4])
    pass_state = helper.make_node("Identity", ["state_a"], ["next_state_a"])
    double = TensorProto.DOUBLE
    to_float = helper.make_node("Cast", ["frame"], ["mask"], to=TensorProto.FLOAT)
    yield "input", identity_nodes("spectrum"), [tensor("spectrum", FRAME)], [mask], r"inputs \['spectrum'\]"
    yield "extra input", identity_nodes(), [frame, tensor("gain", [1])], [mask], r"inputs \['frame', 'gain'\]"
    yield "output", identity_nodes(target="gains"), [frame], [tensor("gains", FRAME)], r"outputs \['gains'\]"
    yield "state kept in", identity_nodes(), [frame, state], [mask], r"outputs \['mask'\].*next_state_a"
    extra = [*identity_nodes(), helper.make_node("Identity", ["frame"], ["next_state_a"])]
    yield "state made up", extra, [frame], [mask, tensor("next_state_a", FRAME)], "outputs"
    yield "type", [to_float], [tensor("frame", FRAME, double)], [mask], r"frame of type tensor\(double\)"
    yield (
        "batch",
        identity_nodes(),
        [tensor("frame", ["n", N_BINS, 2])],
        [tensor("mask", ["n", N_BINS, 2])],
        "frame of shape",
    )
    short = [1, 129, 2]
    yield "bins", identity_nodes(), [tensor("frame", short)], [tensor("mask", short)], r"frame of shape \[1, 129, 2\]"
    real = helper.make_node("Gather", ["frame", "first"], ["mask"], axis=2)
    yield "real mask", [real], [frame], [tensor("mask", [1, N_BINS, 1])], r"mask of shape \[1, 257, 1\]"
    longer = helper.make_node("Concat", ["state_a", "state_a"], ["next_state_a"], axis=1)
    grown = tensor("next_state_a", [1, 8])
    yield "state grows", [*identity_nodes(), longer], [frame, state], [mask, grown], r"next_state_a of shape \[1, 8\]"
    loose = [tensor("state_a", ["time", 4]), tensor("next_state_a", ["time", 4])]
    yield "loose state", [*identity_nodes(), pass_state], [frame, loose[0]], [mask, loose[1]], "state_a of shape"
    none = [tensor("state_a", [0, 4]), tensor("next_state_a", [0, 4])]
    yield "empty state", [*identity_nodes(), pass_state], [frame, none[0]], [mask, none[1]], "state_a of shape"


@pytest.mark.parametrize(
    ("nodes", "inputs", "outputs", "message"), [pytest.param(*rest, id=name) for name, *rest in wrong_graphs()]
)
def test_inputs_and_outputs_are_checked(tmp_path, nodes, inputs, outputs, message):
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    path = save(tmp_path / "model.onnx", nodes, [first], inputs, outputs)
    with pytest.raises(ModelError, match=message):
        Model.load(path)


def test_inputs_and_outputs_of_models_of_features_are_checked(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(ModelError, match=r"inputs \['features'\], expected frame and state_\*"):
        Model.load(save_features(path, compression=None))
    shape = [1, 3, 1, N_BINS - 1]
    pick = helper.make_node("Gather", ["features", "first"], ["mask"], axis=1)
    for features, mask, message in (
        ([1, 3, 1, N_BINS], [1, N_BINS, 2], r"features of shape \[1, 3, 1, 257\], expected \[1, 3, 1, 256\]"),
        (shape, [1, 1, 1, N_BINS - 1], r"mask of shape \[1, 1, 1, 256\], expected \[1, 256, 2\]"),
    ):
        first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
        save(path, [pick], [first], [tensor("features", features)], [tensor("mask", mask)], compression="0.3")
        with pytest.raises(ModelError, match=message):
            Model.load(path)


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVEfmt ", b"\x00" * 1000, b"{}"])
def test_what_is_not_onnx_is_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is no ONNX model that can be run here") as caught:
        Model.load(path)
    assert "\n" not in str(caught.value)


def test_a_cut_file_is_refused(tmp_path):
    whole = save_leaky(tmp_path / "model.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"cut\.onnx"):
        Model.load(tmp_path / "cut.onnx")


def test_an_operator_that_does_not_exist_is_refused(tmp_path):
    nodes = [helper.make_node("Denoise", ["frame"], ["mask"])]
    with pytest.raises(ModelError, match="is no ONNX model that can be run here"):
        Model.load(save(tmp_path / "model.onnx", nodes))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.onnx cannot be read \(No such file.*or a name: .*stream"):
        Model.load(tmp_path / "nowhere.onnx")
    with pytest.raises(ModelError, match=r"nowhere\.onnx cannot be read"):
        Denoiser(model="nowhere.onnx")
    with pytest.raises(ModelError, match="is no ONNX model"):
        Model.load(tmp_path)


def test_an_unknown_name_lists_what_there_is_nearest_first(tmp_path, monkeypatch):
    for name in ("aquarium", "stream", "unet8k"):
        save_constant(tmp_path / f"{name}.onnx", name=name)
    monkeypatch.setattr(model_module, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(ModelError, match=r"no model 'steam'.*: stream, .*or give the path"):
        Model.load("steam")
    with pytest.raises(ModelError, match=r"no model 'unet'.*: unet8k, "):
        denoise(np.zeros(3), 16000, "unet")
    assert [info.name for info in available_models()] == ["aquarium", "stream", "unet8k"]


def test_no_packaged_model_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(model_module, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="none is installed"):
        Model.load("stream")
    assert available_models() == []


def test_the_shipped_models_describe_themselves():
    infos = {info.name: info for info in available_models()}
    stream = infos["stream"]
    assert stream.sample_rate == 16000
    assert stream.latency_seconds == pytest.approx(0.016)
    assert stream.parameters > 10_000
    assert stream.macs_per_hop > 10_000
    assert stream.path.is_file()
    for text in (stream.version, stream.training_data, stream.training_data_licence, stream.weights_licence):
        assert len(text) > 0


def test_an_unchanged_file_is_loaded_once_and_a_changed_one_again(tmp_path):
    path = save_constant(tmp_path / "model.onnx", 0.5)
    first = Model.load(path)
    assert Model.load(str(path)) is first
    save_leaky(path)
    assert Model.load(path) is not first


def test_attributes(tmp_path):
    model = Model.load(save_constant(tmp_path / "model.onnx", name="quiet", version="3.2"))
    assert (model.name, model.version) == ("quiet", "3.2")
    assert model.metadata == {**METADATA, "name": "quiet", "version": "3.2"}
    assert repr(model) == "<rtdenoise.Model quiet 3.2>"


def test_a_step_gives_the_mask_and_takes_the_state_on(tmp_path):
    model = Model.load(save_delay(tmp_path / "model.onnx"))
    rng = np.random.default_rng(0)
    frames = (rng.standard_normal((6, N_BINS)) + 1j * rng.standard_normal((6, N_BINS))).astype(np.complex64)
    state = model.initial_state()
    previous = np.zeros(N_BINS)
    for frame in frames:
        mask = model.step(frame, state)
        assert mask.shape == (N_BINS,)
        assert mask.dtype == np.complex64
        assert np.abs(mask * frame - previous).max() < 1e-5
        previous = frame


@pytest.mark.parametrize("compression", ["0.3", "1"])
def test_a_model_of_features_sees_them_and_its_last_bin_goes_for_the_topmost(tmp_path, compression):
    model = Model.load(save_features(tmp_path / "model.onnx", compression=compression))
    rng = np.random.default_rng(2)
    frame = (rng.standard_normal(N_BINS) + 1j * rng.standard_normal(N_BINS)).astype(np.complex64)
    re, im, magnitude = features = np.empty((3, N_BINS - 1), np.float32)
    compress_numpy(frame, float(compression), features)
    state = model.initial_state()
    for _ in range(3):  # both of the calls that take turns
        mask = model.step(frame, state)
        assert mask.shape == (N_BINS,)
        np.testing.assert_allclose(mask[:-1], magnitude + 1j * (re + im), atol=1e-6)
        assert mask[-1] == mask[-2]


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_model_of_features_is_heard_as_one_that_makes_them_itself(tmp_path, noise, rate):
    samples = 0.1 * noise(rate)
    outside = denoise(samples, rate, save_features(tmp_path / "outside.onnx"))
    inside = denoise(samples, rate, save_features_inside(tmp_path / "inside.onnx"))
    assert np.abs(outside).max() > 0.01
    np.testing.assert_allclose(outside, inside, atol=1e-6)


def test_the_stepped_model_equals_onnx_runtime_fed_by_hand():
    """Of the shipped model: ping-ponged buffers must not change what it computes."""
    import onnxruntime

    model = Model.load("stream")
    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    by_hand = {t.name: np.zeros(t.shape, np.float32) for t in session.get_inputs() if t.name != "features"}
    names = [t.name for t in session.get_outputs()]
    rng = np.random.default_rng(0)
    state, fed = model.initial_state(), np.empty((1, 3, 1, N_BINS - 1), np.float32)
    for _ in range(70):
        frame = (rng.standard_normal(N_BINS) + 1j * rng.standard_normal(N_BINS)).astype(np.complex64)
        mask = model.step(frame, state)
        compress_numpy(frame, float(model.metadata["compression"]), fed[0, :, 0])
        results = dict(zip(names, session.run(names, {"features": fed, **by_hand}), strict=True))
        assert np.abs(results["mask"].reshape(-1).view(np.complex64) - mask[:-1]).max() < 1e-5
        assert mask[-1] == mask[-2]
        by_hand = {name: results[f"next_{name}"] for name in by_hand}


def test_an_onnx_runtime_with_other_insides_runs_the_same():
    class Public:
        """What is documented of a session, and no more."""

        def __init__(self, session):
            self.io_binding, self.run_with_iobinding = session.io_binding, session.run_with_iobinding
            self.get_inputs, self.get_modelmeta = session.get_inputs, session.get_modelmeta

    known = Model.load("stream")
    other = Model(known.path, Public(known._session), known.transform)
    frames = np.random.default_rng(5).standard_normal((3, 257)).astype(np.complex64)
    states = known.initial_state(), other.initial_state()
    for frame in frames:
        np.testing.assert_array_equal(known.step(frame, states[0]), other.step(frame, states[1]))


def test_states_are_separate(tmp_path):
    model = Model.load(save_delay(tmp_path / "model.onnx"))
    ones = np.ones(N_BINS, np.complex64)
    one, other = model.initial_state(), model.initial_state()
    model.step(ones, one)
    assert np.abs(model.step(ones, one) - 1).max() < 1e-6
    assert not model.step(ones, other).any()


def test_the_tiny_models_are_valid_onnx(tmp_path):
    """Else the tests above might refuse them for another reason than the one they name."""
    for make in (save_constant, save_leaky, save_delay, save_features, save_features_inside):
        onnx.checker.check_model(onnx.load(make(tmp_path / "model.onnx")))
        Model.load(tmp_path / "model.onnx")
