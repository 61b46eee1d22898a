"""A D-Bus of our own, and services on it that answer as a test wants."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DAEMON = shutil.which("dbus-daemon")

_CONFIGURATION = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/> <allow send_destination="*" eavesdrop="true"/> <allow eavesdrop="true"/> <allow user="*"/>
  </policy>
</busconfig>
"""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A bus; its address."""
    (folder / "bus.conf").write_text(_CONFIGURATION.format(folder=folder))
    command = [DAEMON, f"--config-file={folder}/bus.conf", "--nofork", "--print-address"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@contextmanager
def service(address: str, name: str, answer: Callable[[str, tuple], tuple[str, tuple] | None]) -> Iterator[list]:
    """Somebody called ``name``, who answers a method and its arguments with a signature and values.

    None is an error, and an exception is silence. The list holds what was asked.
    """
    from jeepney import MessageType, new_error, new_method_return
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import open_dbus_connection

    connection, asked = open_dbus_connection(address), []
    connection.send_and_get_reply(message_bus.RequestName(name))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                message: Any = connection.receive(timeout=0.1)
            except TimeoutError:
                continue
            if message.header.message_type is not MessageType.method_call:
                continue
            asked.append((message.header.fields[3], message.body))
            try:
                reply = answer(*asked[-1])
            except Exception:
                continue
            refusal = "org.freedesktop.DBus.Error.AccessDenied"
            connection.send(new_error(message, refusal) if reply is None else new_method_return(message, *reply))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join()
        connection.close()
