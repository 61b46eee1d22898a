"""Make the sample that `rtdenoise demo` plays: synthesised speech, clean and with synthesised noise, 16 kHz.

    python tools/make_demo_sample.py [FOLDER]        # needs espeak-ng; writes demo_clean.flac and demo_noisy.flac

The same espeak-ng gives the same bytes. Nobody's recording is in it, so it may be passed on freely.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr

SAMPLE_RATE = 16000
SECONDS = 10.0
SNR_DB = 4.0
SPEECH_DBFS = -23.0
#: Fewer bits keep both FLAC files small; what is cut off lies far under the noise.
CLEAN_BITS, NOISY_BITS = 13, 12

#: Start in seconds, espeak-ng voice, pitch, words a minute, text.
SENTENCES = [
    (0.90, "en-us+f4", 52, 165, "Good morning, can you hear me?"),
    (3.10, "en-gb+m3", 38, 160, "Yes, but there is a fan beside you."),
    (5.65, "en-us+f2", 60, 170, "Wait, I will switch it off."),
    (7.75, "en-gb+m7", 45, 160, "Much better. Shall we begin?"),
]


def speak(voice: str, pitch: int, words_per_minute: int, text: str) -> np.ndarray:
    """One sentence, float64 at SAMPLE_RATE, without the silence around it."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(words_per_minute), "--stdout", text]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    # On a pipe espeak-ng writes a length that is not true; the rest of the header is.
    samples, rate = soundfile.read(io.BytesIO(wav[44:]), format="RAW", samplerate=22050, channels=1, subtype="PCM_16")
    resampled = soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    loud = np.flatnonzero(np.abs(resampled) > 1e-3)
    return resampled[loud[0] : loud[-1] + 1]


def make_speech() -> np.ndarray:
    """All sentences on the time line, RMS while somebody speaks at SPEECH_DBFS."""
    speech = np.zeros(int(SECONDS * SAMPLE_RATE))
    spoken = 0
    for start, *how in SENTENCES:
        sentence = speak(*how)
        sentence = sentence / np.sqrt(np.mean(sentence**2))
        first = int(start * SAMPLE_RATE)
        if first + len(sentence) > len(speech):
            raise SystemExit(f"the sentence at {start} s is longer than the sample: shift it or shorten it")
        speech[first : first + len(sentence)] += sentence
        spoken += len(sentence)
    return speech * 10 ** (SPEECH_DBFS / 20)


def coloured(rng: np.random.Generator, n: int, exponent: float, low: float, high: float) -> np.ndarray:
    """Noise with a power spectrum of frequency ** -exponent between low and high (Hz), RMS 1."""
    frequency = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    spectrum = rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency))
    shape = np.where((frequency >= low) & (frequency <= high), np.maximum(frequency, 1.0) ** (-exponent / 2), 0.0)
    noise = np.fft.irfft(spectrum * shape, n)
    return noise / np.sqrt(np.mean(noise**2))


def make_noise() -> np.ndarray:
    """A fan with its hum, a room, two cars that pass, and somebody typing; RMS 1."""
    rng = np.random.default_rng(20240607)
    n = int(SECONDS * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    blades = 1 + 0.25 * np.sin(2 * np.pi * 11.5 * t)
    fan = coloured(rng, n, 1.2, 80, 8000) * blades
    fan += sum(0.35 / k * np.sin(2 * np.pi * 98.0 * k * t + k) for k in range(1, 6))
    noise = 0.8 * fan + 0.4 * coloured(rng, n, 1.0, 40, 8000)
    for middle, width in ((2.6, 0.9), (7.2, 1.2)):
        noise += 1.3 * coloured(rng, n, 1.6, 50, 8000) * np.exp(-(((t - middle) / width) ** 2))
    for _ in range(34):
        start, length = int(rng.uniform(0.2, SECONDS - 0.2) * SAMPLE_RATE), int(0.03 * SAMPLE_RATE)
        decay = np.exp(-np.arange(length) / (SAMPLE_RATE * rng.uniform(0.002, 0.006)))
        noise[start : start + length] += rng.uniform(2, 5) * coloured(rng, length, 0.0, 900, 7500) * decay
    return noise / np.sqrt(np.mean(noise**2))


def quantise(samples: np.ndarray, bits: int) -> np.ndarray:
    """Rounded to so many bits, as int16."""
    step = 2 ** (16 - bits)
    return (np.rint(samples * 32768 / step) * step).astype(np.int16)


def add_noise(clean: np.ndarray) -> np.ndarray:
    """The noisy version of the clean int16 samples: SNR_DB over the time in which somebody speaks."""
    speech = clean / 32768
    gain = 10 ** ((SPEECH_DBFS - SNR_DB) / 20)
    return quantise(speech + gain * make_noise(), NOISY_BITS)


def main() -> None:
    """Write both files."""
    default = Path(__file__).parent.parent / "rtdenoise" / "samples"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    clean = quantise(make_speech(), CLEAN_BITS)
    for name, samples in (("demo_clean.flac", clean), ("demo_noisy.flac", add_noise(clean))):
        soundfile.write(folder / name, samples, SAMPLE_RATE, subtype="PCM_16", compression_level=1.0)
        print(f"{folder / name}: {(folder / name).stat().st_size} bytes, peak {np.abs(samples).max() / 32768:.2f}")


if __name__ == "__main__":
    main()
