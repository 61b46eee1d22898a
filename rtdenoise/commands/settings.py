"""Settings: options that are always meant, in a file of one's own.

A setting is a long option without its dashes, converted by that very option; so there is one definition of both. The
command line goes first, then the file, then the option's default.
"""

from __future__ import annotations

import difflib
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import ParameterError

#: Those of the main job that may be settings; what concerns one run only, such as --force, may not.
KEYS = (
    "input",
    "output",
    "model",
    "attenuation-limit",
    "profile",
    "latency",
    "on-device-loss",
    "record-input",
    "record-output",
)
#: Of these, those that only live sound knows.
_LIVE_KEYS = ("latency", "on-device-loss", "record-input", "record-output")

_DEVICES = {"device", "virtual"}  # kinds of ends
_TYPED, _USUAL = "command line", "default"
_DEFAULT = click.core.ParameterSource.DEFAULT


@dataclass(frozen=True)
class Setting:
    """What an option comes to.

    Attributes:
        value: converted; ``None`` where nothing was said.
        origin: ``"command line"``, ``"default"``, or the path of the file.
    """

    value: Any
    origin: str


def of_this_run(ctx: click.Context) -> dict[str, Any]:
    """What the file has to say to this run: options of the main job by their names in Python.

    Settings name devices. Where the command line names a file or pipe, the other end has to be named there as well: a
    device out of the settings would be a surprise. What only live sound knows is left out where no device takes part.

    Raises:
        ParameterError: the file cannot be read, or what is in it is no setting.
    """
    found = {key: setting for key, setting in effective(ctx).items() if setting.origin not in (_TYPED, _USUAL)}
    if not found:
        return {}
    from .endpoints import parse_source, parse_target

    typed = {"source": parse_source, "target": parse_target}
    kinds = [parse(ctx.params[end]).kind for end, parse in typed.items() if ctx.params[end] is not None]
    if not _DEVICES.issuperset(kinds):
        found = {key: setting for key, setting in found.items() if key not in ("input", "output")}
        if _DEVICES.isdisjoint(kinds):
            found = {key: setting for key, setting in found.items() if key not in _LIVE_KEYS}
    options = {str(_options(ctx)[key].name): setting.value for key, setting in found.items()}
    for name in {"record_input", "record_output"} & options.keys():
        from ..files.recording import free_name

        options[name] = str(free_name(Path(options[name])))  # the evening's run does not stumble over the morning's
    return options


def effective(ctx: click.Context) -> dict[str, Setting]:
    """All settings by their keys.

    Args:
        ctx: of the main job, its options parsed.

    Raises:
        ParameterError: see `of_this_run`.
    """
    path = _path(ctx)
    given = {} if path is None else _read(path, must_exist=ctx.params["config"] is not None)
    options = _options(ctx)
    found = {}
    for key, value in given.items():
        if key not in KEYS:
            raise ParameterError(f"{path}: {_no_setting(key, value, options)}; settings are {', '.join(KEYS)}")
        found[key] = Setting(_convert(ctx, options[key], key, value, path), str(path))
    for key in KEYS:
        name = str(options[key].name)
        if ctx.get_parameter_source(name) != _DEFAULT:
            found[key] = Setting(ctx.params[name], _TYPED)
        found.setdefault(key, Setting(ctx.params[name], _USUAL))
    if found["profile"].origin == _TYPED and found["attenuation-limit"].origin != _TYPED:
        found["attenuation-limit"] = Setting(None, _USUAL)  # the profile's own, not the file's
    return {key: found[key] for key in KEYS}


def default_path() -> Path | None:
    """Where settings are looked for: ``rtdenoise.toml`` in the platform's folder for such things.

    A user whom the system does not know, as containers and services have them, may have none.
    """
    import platformdirs

    try:
        return Path(platformdirs.user_config_dir("rtdenoise", appauthor=False)) / "rtdenoise.toml"
    except RuntimeError:
        return None


def show(ctx: click.Context, as_json: bool) -> str:
    """What `rtdenoise config show` prints: settings, and where each comes from."""
    found, path = effective(ctx), _path(ctx)
    if as_json:
        settings = {key: asdict(setting) for key, setting in found.items()}
        return json.dumps({**_about(path), "settings": settings}, indent=2)
    rows = [(key, "-" if s.value is None else f"{s.value}", s.origin) for key, s in found.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{key:{widths[0]}}  {value:{widths[1]}}  {origin}" for key, value, origin in rows)


def show_path(ctx: click.Context, as_json: bool) -> str:
    """What `rtdenoise config path` prints; whether the file is there is for people, on standard error."""
    path = _path(ctx)
    if as_json:
        return json.dumps(_about(path), indent=2)
    if path is None:
        ctx.obj.say("rtdenoise: no settings are read")
        return ""
    ctx.obj.say(f"rtdenoise: {'this file is there' if path.exists() else 'there is no such file yet'}")
    return str(path)


def _about(path: Path | None) -> dict[str, Any]:
    return {"path": None if path is None else str(path), "exists": path is not None and path.exists()}


def _path(ctx: click.Context) -> Path | None:
    chosen = ctx.params["config"]
    if chosen == "":
        return None
    return default_path() if chosen is None else Path(chosen)


def _options(ctx: click.Context) -> dict[str, click.Parameter]:
    return {option.opts[0].removeprefix("--"): option for option in ctx.command.params}


def _read(path: Path, *, must_exist: bool) -> dict[str, Any]:
    if not must_exist and not path.exists():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        settings: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return settings
    except OSError as error:
        raise ParameterError(f"settings {path} cannot be read: {error.strerror}; --config names another file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f'{path} is no TOML: {error}; write lines such as latency = "low"') from None


def _no_setting(key: str, value: Any, options: dict[str, click.Parameter]) -> str:
    if isinstance(value, dict):
        return f"there are no sections such as [{key}]"
    if key in options:
        return f"{key} is for one run, so it is no setting: give --{key} on the command line"
    near = difflib.get_close_matches(key.replace("_", "-").lower(), KEYS, n=1)
    return f"there is no setting {key!r}" + (f" (did you mean {near[0]!r}?)" if near else "")


def _convert(ctx: click.Context, option: click.Parameter, key: str, value: Any, path: Path | None) -> Any:
    """A value of the file as the option would have it."""
    takes_numbers = isinstance(option.type, click.types.FuncParamType)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str) and not (is_number and takes_numbers):
        kinds = "text in quotes or a number" if takes_numbers else "text in quotes"
        raise ParameterError(f"{path}: {key} = {_as_written(value)}: {kinds} is needed, as after --{key}")
    try:
        converted = option.type.convert(os.path.expanduser(str(value)), option, ctx)
    except click.BadParameter as error:
        raise ParameterError(f"{path}: {key} = {_as_written(value)}: {error.message}") from None
    if key in ("input", "output"):
        from .endpoints import parse_source, parse_target

        try:
            kind = (parse_source if key == "input" else parse_target)(converted).kind
        except ParameterError as error:
            raise ParameterError(f"{path}: {error}") from None
        if kind not in _DEVICES:
            raise ParameterError(
                f"{path}: {key} = {_as_written(value)} is no sound device; settings name devices only, so give --{key} "
                "on the command line"
            )
    return converted


def _as_written(value: Any) -> str:
    """As TOML has it, for the values that matter."""
    return json.dumps(value, ensure_ascii=False, default=str)
