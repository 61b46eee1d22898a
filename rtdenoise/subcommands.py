"""What `rtdenoise` does beside its main job: the options of each command, and who carries it out.

As in cli.py only click is imported here; everything heavy waits until it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .commands.exit_codes import FAILED, INTERRUPTED, OK
from .commands.reporter import Reporter
from .commands.values import decibels, seconds, share, whole


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def devices(as_json: bool) -> None:
    """List sound devices."""
    from .commands import listings

    click.echo(listings.devices(as_json))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def models(as_json: bool) -> None:
    """List the models that come with the package."""
    from .commands import listings

    click.echo(listings.models(as_json))


@click.command()
@click.option("--seconds", type=seconds, metavar="S", help="Play only so much.  [default: all of it]")
@click.option("--output-dir", metavar="DIR", default="demo-output", show_default=True, help="Where the results go.")
@click.option("--no-play", is_flag=True, help="Use a simulated sound device although there are loudspeakers.")
@click.pass_obj
def demo(reporter: Reporter, seconds: float | None, output_dir: str, no_play: bool) -> None:
    """Denoise a sample in real time, and show what came of it."""
    from .commands.demo import run_demo

    run_demo(reporter, seconds=seconds, output_dir=output_dir, play=not no_play)


@click.command()
@click.option("--model", metavar="NAME|PATH", default="stream", show_default=True, help="See: rtdenoise models.")
@click.option("--input", "source", metavar="DEVICE", help="Listen here, to what --output plays: a cable or the air.")
@click.option("--output", "target", metavar="DEVICE", help="Play soft chirps here.  [default: a loop nobody hears]")
@click.option("--quick", is_flag=True, help="Some seconds instead of half a minute.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def doctor(ctx: click.Context, /, **options: Any) -> None:
    """Measure this machine, and say what to do."""
    if (options["source"] is None) != (options["target"] is None):
        raise click.UsageError("--input and --output of doctor go together: a cable leads from one to the other.")
    from .commands.doctor import run_doctor

    answer, fine = run_doctor(ctx.obj, **options)
    click.echo(answer)
    ctx.exit(OK if fine else FAILED)


@click.command()
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option("--plot", metavar="FILE.png", help="Draw both spectrograms, levels and the gain over time.")
@click.option("--force", is_flag=True, help="Replace a picture that exists.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def compare(reporter: Reporter, /, before: str, after: str, **options: Any) -> None:
    """Show what became of a recording: levels, noise, delay."""
    from .commands.compare import run_compare

    click.echo(run_compare(reporter, before, after, **options))


@click.command()
@click.option("--host", metavar="HOST", default="127.0.0.1", show_default=True, help="Listen at this address.")
@click.option("--port", type=whole(0, 65535), metavar="N", default=8765, show_default=True, help="0: a free one.")
@click.option("--metrics-port", type=whole(0, 65535), metavar="N", help="Show /metrics there, not on --port.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|PATH",
    default=["stream"],
    show_default=True,
    help="Again for more, of which clients may choose; the first one is for those that do not.",
)
@click.option("--workers", type=whole(1), metavar="N", help="Compute threads.  [default: one a core]")
@click.option("--token", metavar="TOKEN", help="Let in only those who have it. Others on this machine can see it here.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The same from a file.  [default: RTDENOISE_TOKEN]",
)
@click.option("--insecure-no-token", is_flag=True, help="Let in everybody, also from other machines.")
@click.option(
    "--origin", "origins", multiple=True, metavar="URL", help="Let in pages of this origin, no others; again for more."
)
@click.option("--tls-cert", "certificate", type=click.Path(path_type=Path), metavar="FILE.pem", help="Speak TLS.")
@click.option("--tls-key", "key", type=click.Path(path_type=Path), metavar="FILE.pem", help="Of that certificate.")
@click.option("--drain", type=seconds, metavar="S", default=30.0, show_default=True, help="What streams get to end.")
@click.option("--max-clients", type=whole(1), metavar="N", default=200, show_default=True, help="Streams at a time.")
@click.option(
    "--max-block",
    type=whole(1, 1 << 24),
    metavar="N",
    default=65536,
    show_default=True,
    help="Samples of one message.",
)
@click.option(
    "--max-speed",
    type=click.FloatRange(1),
    metavar="X",
    default=4.0,
    show_default=True,
    help="Times real time; slows down who sends faster.",
)
@click.option(
    "--hello-timeout", type=seconds, metavar="S", default=10.0, show_default=True, help="For the first message."
)
@click.option("--idle-timeout", type=seconds, metavar="S", default=60.0, show_default=True, help="Without a message.")
@click.option("--send-timeout", type=seconds, metavar="S", default=10.0, show_default=True, help="Without taking any.")
@click.option(
    "--ping", type=seconds, metavar="S", default=20.0, show_default=True, help="Silence before a client is asked."
)
@click.pass_context
def serve(ctx: click.Context, /, **options: Any) -> None:
    """Denoise streams of many clients, by WebSocket.

    Raw mono samples in and out after a hello in JSON; docs/serve.md has the protocol and clients. /health and /metrics
    (Prometheus) are on the same port. SIGTERM and Ctrl+C let streams end first; exit code 0 after SIGTERM.
    """
    from .commands.serve import run_serve

    names = {
        "clients": "max_clients",
        "block": "max_block",
        "speed": "max_speed",
        "hello": "hello_timeout",
        "idle": "idle_timeout",
        "stuck": "send_timeout",
        "silence": "ping",
    }
    limits = {name: options.pop(option) for name, option in names.items()}
    ctx.exit(INTERRUPTED if run_serve(ctx.obj, limits=limits, **options) else OK)


@click.command()
@click.argument("source", metavar="IN_DIR")
@click.argument("target", metavar="OUT_DIR")
@click.option("--model", metavar="NAME|PATH", default="stream", show_default=True, help="See: rtdenoise models.")
@click.option("--attenuation-limit", type=decibels, metavar="DB", help="Take away at most so many dB.")
@click.option("--overlap", type=share, metavar="SHARE", help="As for one file.")
@click.option("--jobs", type=whole(1, 1024), metavar="N", help="Processes.  [default: one for each core]")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only files such as 'talk*.wav'; again for more.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No files such as 'old/*'; again for more.")
@click.option("--report", metavar="FILE.csv", help="Write levels before and after, and what failed.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--force", is_flag=True, help="Do everything anew, and replace files that exist.")
@click.option(
    "--engine",
    type=click.Choice(["processes", "dask"]),
    default="processes",
    show_default=True,
    help="The cores of this machine, or a Dask cluster.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Of the Dask cluster, such as tcp://10.0.0.1:8786.")
@click.pass_obj
def batch(reporter: Reporter, /, **options: Any) -> None:
    """Denoise a folder of recordings, on all cores.

    The tree, names and formats stay. Interrupted, the same command goes on where it was. Both may be URLs that fsspec
    knows, such as s3://bucket/folder.
    """
    from .commands.batch import Batch, run_batch

    run_batch(Batch(**options), reporter)


@click.command()
@click.option(
    "--port",
    type=whole(0, 65535),
    default=8710,
    show_default=True,
    metavar="N",
    help="On this computer; 0 takes any that is free.",
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@click.pass_obj
def web(reporter: Reporter, port: int, no_browser: bool) -> None:
    """Hear, see and steer it on a page in the browser.

    The page is for this computer and for whoever has the address that is printed. Nothing leaves it.
    """
    from .commands.web import run_web

    run_web(reporter, port=port, browser=not no_browser)


@click.command("config")
@click.argument("action", type=click.Choice(["show", "path"]))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def show_config(ctx: click.Context, action: str, as_json: bool) -> None:
    """Show the settings, or where they are kept.

    Show: each with what it comes from; options before "config" count. Path: of rtdenoise.toml, there or not.
    """
    from .commands import settings

    assert ctx.parent is not None
    click.echo((settings.show if action == "show" else settings.show_path)(ctx.parent, as_json))


@click.command("virtual-mic")
@click.argument("action", type=click.Choice(["create", "remove", "status"]))
@click.pass_context
def virtual_mic(ctx: click.Context, action: str) -> None:
    """Make, remove or see "Denoised microphone".

    rtdenoise --output virtual-mic makes one for as long as it runs; one that is created here stays, without sound
    while rtdenoise does not run. Status: exit code 0 when it is there, else 1.
    """
    _run_virtual(ctx, action)


@click.command("virtual-speakers")
@click.argument("action", type=click.Choice(["create", "remove", "status"]))
@click.pass_context
def virtual_speakers(ctx: click.Context, action: str) -> None:
    """Make, remove or see "Denoised speakers".

    rtdenoise --input virtual-speakers makes them for as long as it runs; those that are created here stay, and swallow
    all sound while rtdenoise does not run. Status: exit code 0 when they are there, else 1.
    """
    _run_virtual(ctx, action)


def _run_virtual(ctx: click.Context, action: str) -> None:
    from .commands.virtual import run_virtual

    answer, fine = run_virtual(str(ctx.command.name), action, ctx.obj)
    if answer:
        click.echo(answer)
    ctx.exit(OK if fine else FAILED)


COMMANDS = [
    devices,
    models,
    demo,
    doctor,
    compare,
    serve,
    batch,
    web,
    show_config,
    virtual_mic,
    virtual_speakers,
]
