"""Hazard: examples that are not what the configuration says, or that differ from run to run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile
from training_data import make_data

from train import mixing
from train.config import MixConfig, TrainConfig
from train.data import DataError, load_corpus
from train.material import load_rooms
from train.mixing import BatchStream, Mixer, active_power, power

PLAIN = MixConfig(
    crop_seconds=0.512, second_noise=0, noise_change=0, room=0, colour=0, band_limited=0, clean_only=0, noise_only=0,
    clipped=0, offset=0, level_jump=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), with_valid=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def make_mixer(config, data, cache):
    return Mixer(config, *(load_corpus(data / kind, cache) for kind in ("clean", "noise")), load_rooms(data / "rir"))


def example(data, cache, seed=0, **changes):
    mixer = make_mixer(dataclasses.replace(PLAIN, **changes), data, cache)
    return mixer.example(np.random.default_rng(seed))


def test_the_signal_to_noise_ratio_and_the_level_are_those_asked_for(data, cache):
    for snr, level in ((0.0, -30.0), (15.0, -40.0)):
        noisy, clean = example(data, cache, snr_db=(snr, snr), level_dbfs=(level, level))
        assert 10 * np.log10(active_power(clean) / power(noisy - clean)) == pytest.approx(snr, abs=0.1)
        assert 10 * np.log10(power(noisy)) == pytest.approx(level, abs=0.1)


def test_clean_only_and_noise_only_examples(data, cache):
    noisy, clean = example(data, cache, clean_only=1.0, room=1.0)
    assert np.array_equal(noisy, clean)
    assert power(clean) > 0
    noisy, clean = example(data, cache, noise_only=1.0)
    assert not clean.any()
    assert power(noisy) > 0


def test_a_room_leaves_the_early_sound_as_target(data, cache):
    noisy, clean = example(data, cache, room=1.0, snr_db=(200, 200), speed_changed=0)
    late = noisy - clean
    assert power(late) > 1e-4 * power(clean)
    assert np.corrcoef(noisy, clean)[0, 1] > 0.5


def test_band_limited_examples_are_silent_above_4_khz(data, cache):
    noisy, _ = example(data, cache, band_limited=1.0)
    spectrum = np.abs(np.fft.rfft(noisy))
    assert spectrum[len(spectrum) // 2 + 1 :].max() < 1e-3 * spectrum.max()


def test_every_option_on_stays_finite_and_within_full_scale(data, cache):
    everything = dict.fromkeys(
        ("second_noise", "noise_change", "room", "colour", "level_jump", "clipped", "speed_changed"), 1.0
    )
    mixer = make_mixer(dataclasses.replace(PLAIN, synthetic_noise=0.5, **everything), data, cache)
    noisy, clean = mixer.batch(seed=3, number=1, size=24)
    assert noisy.dtype == clean.dtype == np.float32
    assert np.isfinite(noisy).all()
    assert max(np.abs(noisy).max(), np.abs(clean).max()) <= 1.0
    assert (np.abs(noisy).max(axis=1) > 1e-4).all()


def test_batches_depend_on_seed_and_number_only(data, cache):
    mixer = make_mixer(PLAIN, data, cache)
    stream = BatchStream(PLAIN, data, cache, seed=5, size=2, first=3, workers=1, lead=2)
    try:
        batches = iter(stream)
        for number in (3, 4):
            for made, expected in zip(next(batches), mixer.batch(5, number, 2), strict=True):
                assert np.array_equal(made, expected)
    finally:
        stream.close()
    assert not np.array_equal(mixer.batch(5, 3, 2)[0], mixer.batch(6, 3, 2)[0])


def test_empty_and_unusable_folders_are_refused_and_bad_files_named(tmp_path, capsys):
    with pytest.raises(DataError, match="no audio here"):
        load_corpus(tmp_path / "absent", tmp_path)
    folder = tmp_path / "clean"
    folder.mkdir()
    (folder / "broken.wav").write_bytes(b"no audio at all")
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(folder / "short.wav", np.ones(100) * 0.5, 16000)
    with pytest.raises(DataError, match="none of its 3 files"):
        load_corpus(folder, tmp_path)
    said = capsys.readouterr().err
    assert all(name in said for name in ("broken.wav", "silent.wav", "short.wav"))


def test_other_rates_are_converted_and_the_cache_is_used(data, tmp_path):
    corpus = load_corpus(data / "noise", tmp_path)
    assert corpus.seconds == pytest.approx(6.0, abs=0.01)
    assert corpus.sets == ["hiss", "hiss"]
    again = load_corpus(data / "noise", tmp_path)
    assert np.array_equal(again.samples, corpus.samples)
    assert len(list(tmp_path.glob("noise-*.npy"))) == 1


def test_configurations_survive_json():
    assert TrainConfig.from_json(TrainConfig().to_json()) == TrainConfig()


def test_synthetic_noise_is_of_every_kind_and_babble_of_many_voices(data, cache, monkeypatch):
    speech = make_mixer(PLAIN, data, cache).speech
    rng = np.random.default_rng(0)

    def pauses(samples):
        """How far the quietest tenth of the frames of 20 ms lies below the mean, in dB."""
        powers = np.square(samples[: len(samples) // 320 * 320].reshape(-1, 320)).mean(axis=1)
        return 10 * np.log10(powers.mean() / np.quantile(powers, 0.1))

    n = 32000
    voices, crowds = [[pauses(make()) for _ in range(8)] for make in (
        lambda: speech.crop(rng, n, -45), lambda: mixing.babble(rng, n, speech))]  # fmt: skip
    assert np.median(crowds) < np.median(voices) - 3
    made = []
    for name in ("coloured_noise", "hum", "clicks", "babble"):
        kind = getattr(mixing, name)
        monkeypatch.setattr(mixing, name, lambda *a, name=name, kind=kind: (made.append(name), kind(*a))[1])
    for _ in range(60):
        noise = mixing.synthetic_noise(rng, 4000, speech)
        assert noise.shape == (4000,)
        assert power(noise) > 0
    assert {"coloured_noise", "hum", "clicks", "babble"} == set(made)
