"""The engine inside other people's programs: bytes of 16-bit samples, Pipecat, LiveKit.

Each module needs the package that it is named after; none is imported by anything else here.
"""
