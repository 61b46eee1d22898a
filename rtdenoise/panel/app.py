"""The screen and the keys, by textual."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.events import Resize
from textual.widget import Widget

from . import parts
from .drawing import top_of
from .parts import State
from .readings import Key, Readings

_TICK_SECONDS = 0.1
_TALL_LINES, _WIDE_CELLS = 18, 60  # from which on there are frames and margins


class Part(Widget):
    """A rectangle that shows what a function makes of the state.

    Args:
        state: shared by all.
        draw: called with state, width and height.
    """

    def __init__(self, state: State, draw: Callable[[State, int, int], Text]) -> None:
        super().__init__(id=draw.__name__)
        self._state, self._draw, self._drawn = state, draw, Text()

    def render(self) -> Text:
        """As the state is now."""
        self._drawn = self._draw(self._state, self.size.width, self.size.height)
        return self._drawn

    def look(self) -> None:
        """Draw it anew if anything changed: most of the time is spent on bringing it to the terminal."""
        if self._drawn != self._draw(self._state, self.size.width, self.size.height):
            self.refresh()


class PanelApp(App[None]):
    """Shows what is read ten times a second, sends what is pressed, ends when nobody reads that.

    Args:
        read: gives the latest readings, or None.
        send: takes a key; False when nobody will ever read it.
    """

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [  # noqa: RUF012
        Binding("b", "press('BYPASS')"),
        Binding("minus", "press('LESS')"),
        Binding("plus,equals_sign", "press('MORE')"),
        Binding("m", "press('MUTE')"),
        Binding("r", "press('RECORD')"),
        Binding("q,ctrl+q", "press('QUIT')", priority=True),
        Binding("ctrl+c", "press('INTERRUPT')", priority=True),  # where the terminal makes no signal of it
    ]
    CSS = """
    Screen { background: #10151b; color: #d7dee6; overflow: hidden; layout: vertical; }
    Part { height: 1; }
    #levels { height: 2; }
    #history { height: 1fr; max-height: 1; }
    #messages { height: 1fr; min-height: 1; }
    Screen.tall { padding: 1 2 0 2; }
    .tall #title { margin: 0 1 1 1; }
    .tall #levels { height: 5; }
    .tall #history { height: 3fr; max-height: 30; }
    .tall #numbers { height: 2; margin: 1 2; }
    .tall #messages { height: 2fr; min-height: 4; max-height: 10; }
    .tall #keys { margin: 0 1 1 1; }
    .tall #levels, .tall #history, .tall #messages {
        border: round #2b3845; border-title-color: #6b7a89; border-subtitle-color: #4d5b69; padding: 0 1;
    }
    """

    def __init__(self, read: Callable[[], Readings | None], send: Callable[[Key], bool]) -> None:
        super().__init__()
        self._read, self._send = read, send
        self.state = State(read() or Readings())
        draws = parts.title, parts.levels, parts.history, parts.numbers, parts.messages, parts.keys
        self._parts = {draw.__name__: Part(self.state, draw) for draw in draws}

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield from self._parts.values()

    def on_mount(self) -> None:
        """Begin to look."""
        self._parts["levels"].border_title = "level"
        self._parts["messages"].border_title = "messages"
        self._tick()
        self.set_interval(_TICK_SECONDS, self._tick)

    def on_resize(self, event: Resize) -> None:
        """Small terminals get no frames."""
        self.screen.set_class(event.size.height >= _TALL_LINES and event.size.width >= _WIDE_CELLS, "tall")

    def action_press(self, name: str) -> None:
        """Send the key of this name."""
        self._send(Key[name])

    def _tick(self) -> None:
        if not self._send(Key.BEAT):
            self.exit()
            return
        readings = self._read()
        if readings is not None:
            self.state.update(readings, time.monotonic())
        history = self._parts["history"]
        history.border_title = f"reduction [bold #b8a1ff]{parts.reduction(self.state)}[/]"
        history.border_subtitle = f"up to {top_of(self.state.last_reductions(history.size.width))} dB"
        for part in self._parts.values():
            part.look()
