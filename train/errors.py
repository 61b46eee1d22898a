"""What can go wrong in training, as one line each."""

from __future__ import annotations


class DataError(Exception):
    """Recordings that cannot be used; the message says which and what to do."""


class TrainingError(Exception):
    """A run that cannot start or go on; the message says where and what is left."""
