"""What the page is told when something does not work."""

from __future__ import annotations

from ..errors import RtdenoiseError


class WebError(RtdenoiseError):
    """Something that the page, or whoever starts its server, asked for and does not get.

    Args:
        text: one line for people.
        status: of HTTP.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status
