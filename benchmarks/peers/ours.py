"""rtdenoise itself, hop by hop, through the door that every program uses."""

from __future__ import annotations

VARIANTS: dict[str, dict[str, str]] = {}  # a row for each --model
REQUIREMENTS = ()
PACKAGES = ("rtdenoise",)
SAMPLE_RATE = 16000
BLOCK = 128


class Stream:
    """One Denoiser."""

    def __init__(self, model: str) -> None:
        from rtdenoise import Denoiser

        self.process = Denoiser(SAMPLE_RATE, model).process
