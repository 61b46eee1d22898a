"""Hazard: the limit for machines is not set, or set over one that was asked for."""

from __future__ import annotations

import pytest
from command_line import refused, run

from rtdenoise import Denoiser, ParameterError, denoise, engine
from rtdenoise.cli import cli
from rtdenoise.commands import settings
from rtdenoise.commands.job import Job
from rtdenoise.commands.reporter import Reporter
from rtdenoise.config import NATIVE_RATES, PROFILES

ASR = PROFILES["asr"]


def test_people_get_all_and_machines_a_mild_limit(identity):
    assert Denoiser(model=identity).attenuation_limit_db is None
    assert 3 <= ASR <= 12
    assert Denoiser(model=identity, profile="asr").attenuation_limit_db == ASR


def test_a_limit_that_is_given_wins(identity):
    assert Denoiser(model=identity, profile="asr", attenuation_limit_db=30).attenuation_limit_db == 30
    assert Denoiser(model=identity, profile="asr", attenuation_limit_db=0).attenuation_limit_db == 0


def test_recordings_too(constant, noise):
    samples, silent = 0.5 * noise(8000), constant(0.0)
    mild = denoise(samples, 16000, silent, profile="asr")
    assert (mild == denoise(samples, 16000, silent, ASR)).all()
    assert mild.any()
    assert not denoise(samples, 16000, silent).any()


def test_an_unknown_one(identity):
    with pytest.raises(ParameterError, match="profile='dogs' is not possible; give one of people, asr"):
        Denoiser(model=identity, profile="dogs")
    refused(
        run("--input", "a.wav", "--output", "b.wav", "--profile", "dogs"), 2, "'dogs' is not one of 'people', 'asr'"
    )


@pytest.mark.parametrize(
    ("typed", "text", "limit"),
    [
        ([], "", None),
        (["--profile", "asr"], "", ASR),
        (["--profile", "asr", "--attenuation-limit", "30"], "", 30),
        ([], 'profile = "asr"', ASR),
        ([], 'profile = "asr"\nattenuation-limit = 18', 18),
        (["--profile", "people"], 'profile = "asr"', None),
        (["--profile", "asr"], "attenuation-limit = 18", ASR),
        (["--attenuation-limit", "6"], 'profile = "asr"', 6),
    ],
)
def test_command_line_and_settings(tmp_path, typed, text, limit):
    (tmp_path / "s.toml").write_text(text)
    arguments = ["--input", "mic", "--output", "none", "--config", str(tmp_path / "s.toml"), *typed]
    context = cli.make_context("rtdenoise", arguments, obj=Reporter(-1))
    options = context.params | settings.of_this_run(context)
    for name in ("quiet", "verbose", "config"):
        options.pop(name)
    assert Job.from_options(**options).attenuation_limit_db == limit


def test_an_old_soxr_is_enough_for_rates_that_run_as_they_are(identity, monkeypatch):
    """Frameworks for voice agents hold it at 1.0."""
    monkeypatch.setattr(engine, "CAN_CONVERT", False)
    monkeypatch.setattr(engine, "SOXR_VERSION", "1.0.0")
    for rate in NATIVE_RATES:
        assert Denoiser(rate, identity).latency_seconds == 0.016
    with pytest.raises(ParameterError, match=r"sample_rate=44100 needs soxr 1\.1 or later, and this is 1\.0\.0: pip"):
        Denoiser(44100, identity)
