"""The command line: its main job, and how everything ends.

Only click is imported here; everything heavy waits until it is needed.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from . import __version__
from .commands.exit_codes import FAILED, INTERRUPTED, OK, USAGE
from .commands.reporter import Reporter
from .commands.values import decibels, latency, seconds, share, whole
from .config import HIGHEST_RATE, LOWEST_RATE, PROFILES
from .errors import ParameterError, RtdenoiseError
from .subcommands import COMMANDS


class _Doors(click.Group):
    """A group whose own options are the main job."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            raise click.UsageError(
                f"There is no command {args[0]!r}: commands are {', '.join(self.commands)}; sound is named with "
                "--input and --output.",
                ctx,
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Doors,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 failed, 2 wrong usage, 130 Ctrl+C.",
)
@click.option(
    "--input",
    "source",
    metavar="SRC",
    help="mic, virtual-speakers, a device (name, part of it, index), a file, or - (stdin).",
)
@click.option(
    "--output",
    "target",
    metavar="DST",
    help="speakers, virtual-mic, a device, a file, - (stdout), or none.",
)
@click.option("--model", metavar="NAME|PATH", default="stream", show_default=True, help="See: rtdenoise models.")
@click.option("--attenuation-limit", type=decibels, metavar="DB", help="Take away at most so many dB.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="people",
    show_default=True,
    help="Who listens. asr, speech recognition, has a mild limit of its own.",
)
@click.option("--bypass", is_flag=True, help="Pass the sound on as it is, with the same latency.")
@click.option(
    "--overlap",
    type=share,
    metavar="SHARE",
    help="Of models with context frames (unet8k): what each shares with the next, 0.875, 0.75, 0.625 or 0.5 of it.  "
    "[default: 0.875]",
)
@click.option(
    "--latency",
    type=latency,
    metavar="low|high|MS",
    default="low",
    show_default=True,
    help="What devices and reserve may add.",
)
@click.option(
    "--on-device-loss",
    type=click.Choice(["wait", "exit"]),
    default="wait",
    show_default=True,
    help="What to do when a sound device goes.",
)
@click.option("--record-input", metavar="FILE", help="Live: record what comes in, to FILE.wav or FILE.flac.")
@click.option("--record-output", metavar="FILE", help="Live: record what goes out.")
@click.option(
    "--config", metavar="FILE", help="Read settings from here.  [default: rtdenoise config path; '' reads none]"
)
@click.option("--duration", type=seconds, metavar="S", help="Stop after so many seconds of sound.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--stats", metavar="FILE.json|-", help="Write counters, load and latency as JSON at the end.")
@click.option(
    "--raw-rate",
    type=whole(LOWEST_RATE, HIGHEST_RATE),
    metavar="HZ",
    help="Pipes carry samples without a header, at this rate; else WAV.",
)
@click.option("--raw-format", type=click.Choice(["s16le", "f32le"]), help="Of such samples.  [default: s16le]")
@click.option("--raw-channels", type=whole(1, 64), metavar="N", help="Interleaved.  [default: 1]")
@click.option("--no-panel", is_flag=True, help="Lines instead of levels and keys on the terminal.")
@click.option("--steered", nargs=3, metavar="BOARD SCOPE SCOPE", hidden=True)  # by rtdenoise web
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", count=True, help="Print more; -vv: tracebacks too.")
@click.version_option(__version__, message="rtdenoise %(version)s")
@click.pass_context
def cli(ctx: click.Context, /, quiet: bool, verbose: int, config: str | None, **options: Any) -> None:
    """Take the noise out of speech, live or in files, 16 ms behind the input.

    \b
    rtdenoise --input mic --output speakers
    rtdenoise --input mic --output virtual-mic
    rtdenoise --input noisy.wav --output clean.wav
    parec --format=s16le --rate=16000 --channels=1 | rtdenoise --input - --raw-rate 16000 --output - | ...
    """
    reporter: Reporter = ctx.obj
    reporter.verbosity = -1 if quiet else verbose
    if ctx.invoked_subcommand is not None:
        given = [
            parameter.opts[0]
            for parameter in ctx.command.params
            if parameter.name not in ("quiet", "verbose") and ctx.get_parameter_source(parameter.name) != _DEFAULT
        ]
        if given and ctx.invoked_subcommand != "config":  # which shows what they come to
            raise click.UsageError(f"{', '.join(given)} does not go with {ctx.invoked_subcommand!r}.")
        reporter.help = f"rtdenoise {ctx.invoked_subcommand} --help"
        return
    from .commands.settings import of_this_run

    options |= of_this_run(ctx)
    if options["source"] is None and options["target"] is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)
    for name in ("source", "target"):
        if options[name] is None:
            option, usual = ("--input", "mic") if name == "source" else ("--output", "speakers")
            raise click.UsageError(f"{option} is missing; for example {option} {usual}.")
    from .commands.job import Job, run

    run(Job.from_options(**options), reporter)


_DEFAULT = click.core.ParameterSource.DEFAULT


for _command in COMMANDS:
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; whatever goes wrong is one line on standard error."""
    reporter = Reporter()
    code = FAILED
    # numba would load colorama where that is installed, which writes to the terminal at the end.
    os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
    try:
        code = _run(arguments, reporter)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = OK
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the second Ctrl+C of the impatient
    # What Python does besides this at its end, taking numba apart, lasts as long as denoising a file: half a second.
    atexit._run_exitfuncs()
    os._exit(code)


def _run(arguments: Sequence[str] | None, reporter: Reporter) -> int:
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup's wish is kept
            signal.signal(number, signal.default_int_handler)
    try:
        code = cli.main(arguments, "rtdenoise", standalone_mode=False, obj=reporter)
        return code if isinstance(code, int) else OK
    except click.Abort:
        return INTERRUPTED
    except (click.UsageError, ParameterError) as error:
        text = error.format_message() if isinstance(error, click.UsageError) else str(error)
        reporter.error(f"{text.rstrip('.')} (see {reporter.help})", error)
        return USAGE
    except (RtdenoiseError, click.ClickException) as error:
        reporter.error(str(error), error)
        return FAILED
    except (BrokenPipeError, SystemExit):  # `rtdenoise devices | head -0`; click turns the first into the second
        return OK
    except Exception as error:
        hint = "" if reporter.verbosity >= 2 else "; run with -vv for the traceback"
        reporter.error(f"unexpected {type(error).__name__}: {error}".split("\n")[0] + hint, error)
        return FAILED
