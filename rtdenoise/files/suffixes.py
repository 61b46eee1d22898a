"""Names of sound files: which suffix stands for which format."""

from __future__ import annotations

#: Suffix to libsndfile's format, and the subtype where the format's usual one is not meant.
FORMAT_BY_SUFFIX: dict[str, tuple[str, str | None]] = {
    ".wav": ("WAV", None),
    ".wave": ("WAV", None),
    ".flac": ("FLAC", None),
    ".ogg": ("OGG", None),
    ".oga": ("OGG", None),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", None),
    ".aiff": ("AIFF", None),
    ".aif": ("AIFF", None),
    ".au": ("AU", None),
    ".snd": ("AU", None),
    ".caf": ("CAF", None),
    ".w64": ("W64", None),
    ".rf64": ("RF64", None),
}

#: For messages.
LEGAL_SUFFIXES = " ".join(FORMAT_BY_SUFFIX)
