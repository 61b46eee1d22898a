"""`rtdenoise serve`: what was asked for as settings, a server, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import signal
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import MissingPackageError
from .reporter import Reporter

if TYPE_CHECKING:
    from ..serve.server import Server

#: Files that the process has open besides its sockets, with some to spare.
_OTHER_FILES = 64


def run_serve(
    reporter: Reporter, *, token: str | None, token_file: Path | None, drain: float, limits: dict[str, Any], **rest: Any
) -> bool:
    """Serve until a signal comes, then let streams end.

    Args:
        reporter: for what people read.
        token, token_file: see `access.find_token`.
        drain: seconds that streams get to end.
        limits: of `settings.Limits`.
        rest: of `settings.Settings`.

    Returns:
        Whether it was Ctrl+C that ended it.

    Raises:
        ParameterError, ModelError, ServeError: it cannot start.
        MissingPackageError: the extra is not installed.
    """
    for package in ("websockets", "prometheus_client"):
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(
                f"serve needs the package {package}, which is not installed: pip install 'rtdenoise[serve]'"
            )
    from ..serve.access import find_token
    from ..serve.settings import Limits, Settings

    settings = Settings(token=find_token(token, token_file), limits=Limits(**limits), **rest)
    from ..serve.server import Server  # heavy; what is wrong with the settings is said before

    def tell(text: str) -> None:
        reporter.detail(f"rtdenoise: {text}")

    def report(error: BaseException) -> None:
        reporter.error(f"unexpected {type(error).__name__}: {error}; a stream was ended, the others go on", error)

    server = Server(settings, tell, report)
    _make_room(server, reporter)
    # What there is now stays. Looked through again, it would stop all streams for a tenth of a second now and then.
    gc.collect()
    gc.freeze()
    return asyncio.run(_serve(server, drain, reporter))


async def _serve(server: Server, drain: float, reporter: Reporter) -> bool:
    loop, pressed = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, context: _note_stray(context, server, reporter))
    first, second = asyncio.Event(), asyncio.Event()

    def note(number: int) -> None:
        (second if first.is_set() else first).set()
        pressed.append(number)

    def on_signal(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(note, number)

    with ExitStack() as undo:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                wanted = getattr(signal, name, None)
                if wanted is not None and signal.getsignal(wanted) != signal.SIG_IGN:  # nohup's wish is kept
                    undo.callback(signal.signal, wanted, signal.signal(wanted, on_signal))
        async with server:
            _announce(server, reporter)
            await first.wait()
            if server.metrics.streams:
                reporter.say(
                    f"rtdenoise: no new streams; {server.metrics.streams} may go on for up to {drain:g} s "
                    "(once more ends them now)"
                )
            draining = asyncio.ensure_future(server.drain(drain))
            impatient = asyncio.ensure_future(second.wait())
            await asyncio.wait([draining, impatient], return_when=asyncio.FIRST_COMPLETED)
            for task in (draining, impatient):
                task.cancel()
            cut = server.metrics.streams
        metrics = server.metrics
        errors = f", {metrics.errors.total()} ended badly" if metrics.errors else ""
        reporter.say(
            f"rtdenoise: ended; {metrics.streams_begun} streams, {metrics.audio_seconds:.1f} s of sound, "
            f"{cut} cut off{errors}"
        )
    return pressed[0] == signal.SIGINT


def _note_stray(context: dict[str, Any], server: Server, reporter: Reporter) -> None:
    """What asyncio would print with a traceback: of sockets, which any client can cause, or of a fault of ours."""
    error = context.get("exception")
    if isinstance(error, OSError):
        reporter.detail(f"rtdenoise: {context['message']}: {error}")
    else:
        server.report(error or RuntimeError(context["message"]))


def _announce(server: Server, reporter: Reporter) -> None:
    settings = server.settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    secure = "s" if settings.certificate else ""
    models = ", ".join(f"{model.name} {model.version}" for model in server.models.values())
    reporter.say(
        f"rtdenoise: serving ws{secure}://{host}:{server.port}, model {models}, {server.workers} compute "
        f"{'thread' if server.workers == 1 else 'threads'}, up to {settings.limits.clients} streams, "
        f"{'token needed' if settings.token else 'no token needed'}"
    )
    reporter.say(
        f"rtdenoise: http{secure}://{host}:{server.metrics_port or server.port}/metrics and /health; Ctrl+C ends"
    )


def _make_room(server: Server, reporter: Reporter) -> None:
    """Let the process open as many sockets as it may need."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    from ..serve.server import SPARE_CONNECTIONS

    wanted = server.settings.limits.clients + SPARE_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
        reporter.say(
            f"rtdenoise: only {most} files may be open here, {wanted} are needed for so many streams; raise it with: "
            f"ulimit -n {wanted}"
        )
