"""Devices, the rings between them and the engine, and the thread that keeps the pace; the door is `session.Live`."""
