"""A server for many streams: WebSocket in front, one shared model behind, compute threads in between."""
