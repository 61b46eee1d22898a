"""The errors a user meets. Each message shows the value, what is legal, and the way out, in one line."""

from __future__ import annotations


class RtdenoiseError(Exception):
    """Base of everything that this package raises on purpose; the command line prints it without a traceback."""


class ParameterError(RtdenoiseError, ValueError):
    """A parameter outside its legal values; raised when an object is made, not later."""


class ModelError(RtdenoiseError):
    """A model file that is missing, damaged, of another version, or of the wrong shapes."""


class AudioFileError(RtdenoiseError):
    """A file, pipe or folder that cannot be read or written."""


class MissingPackageError(RtdenoiseError, ImportError):
    """A package that an extra of this one brings is not installed."""


class DeviceError(RtdenoiseError):
    """A sound device that is unknown, absent, busy, forbidden or gone."""
