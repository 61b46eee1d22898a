"""A sounddevice callback: microphone to loudspeakers, in one line of a program of yours. Wear headphones.

    python sounddevice_callback.py --seconds 10

The shortest way, not the safest: everything is done in the callback, on one clock. `rtdenoise.Live` computes in a
thread of its own, keeps two clocks together, and survives stalls and devices that go.
"""

import argparse
import sys

import sounddevice

from rtdenoise.integrations.pcm import PcmDenoiser


def main() -> None:
    """Run for a while, then say what went wrong on the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=48000, help="in Hz (48000)")
    parser.add_argument("--devices", nargs=2, metavar=("IN", "OUT"), help="names or parts of them (the system's)")
    options = parser.parse_args()
    denoiser = PcmDenoiser(options.rate)  # loaded and warm before a sound device opens
    faults = 0

    def callback(indata, outdata, frames, time, status) -> None:
        nonlocal faults
        faults += bool(status)
        outdata[:] = denoiser.process(indata)  # as many bytes out as in

    how = {"samplerate": options.rate, "channels": 1, "dtype": "int16", "device": options.devices}
    with sounddevice.RawStream(callback=callback, **how) as stream:
        late = sum(stream.latency) + denoiser.latency_seconds
        print(f"running, {1000 * late:.0f} ms late", flush=True)
        sounddevice.sleep(round(1000 * options.seconds))
    print(f"done, {faults} blocks with a fault", file=sys.stderr)


if __name__ == "__main__":
    main()
