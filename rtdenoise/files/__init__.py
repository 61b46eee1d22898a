"""Recordings and pipes: readers and writers of audio files and of streams, and the loop between them."""
