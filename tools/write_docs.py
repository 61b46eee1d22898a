"""Write docs/command-line.md from the command line itself; a test holds the two together.

python tools/write_docs.py
"""

from __future__ import annotations

from pathlib import Path

import click

from rtdenoise.cli import cli

TARGET = Path(__file__).parent.parent / "docs" / "command-line.md"

HEAD = """# Command line

Written by `python tools/write_docs.py`; change the help texts, not this page.

Sound goes from `--input` to `--output`. A name is a file when it exists, has a suffix or a path separator; else it is a
device. `file:NAME` and `device:NAME` say it outright. The format of an output file follows from its suffix, its depth
from the input. Pipes carry WAV, told by its header, or raw samples announced with `--raw-rate`; what comes out is
of the same kind.

Where a sound device takes part and keyboard and standard error are a terminal, a panel shows levels, reduction, load,
latency, drift, underruns and messages, and takes keys: `b` bypass, `-` and `+` attenuation limit in steps of 3 dB, `m`
mute, `r` record, `q` quit. It is a process of its own; when it ends before its time, the sound goes on.

Standard output carries sound or what was asked for (`--json`, `--stats -`); what people read goes to standard error.
"""


def help_text(command: click.Command, name: str) -> str:
    """What `--help` prints on a terminal of 100 columns."""
    context = click.Context(command, info_name=name, terminal_width=100, help_option_names=["-h", "--help"])
    return command.get_help(context)


def page() -> str:
    """The whole page."""
    parts = [HEAD, f"## rtdenoise\n\n```text\n{help_text(cli, 'rtdenoise')}\n```\n"]
    for name, command in sorted(cli.commands.items()):
        parts.append(f"## rtdenoise {name}\n\n```text\n{help_text(command, f'rtdenoise {name}')}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(page(), encoding="utf-8")
    print(TARGET)
