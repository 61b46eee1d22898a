"""`rtdenoise virtual-mic` and `virtual-speakers`: make, remove and look at virtual devices that nobody runs."""

from __future__ import annotations

import sys

from ..live import virtual
from ..live.cable import CableMissingError, find_cable, other_side
from ..live.devices import list_devices
from ..live.virtual_modules import PLANS, VirtualPlan, VirtualState
from .reporter import Reporter


def run_virtual(word: str, action: str, reporter: Reporter) -> tuple[str, bool]:
    """Do it, and say so.

    Args:
        word: ``virtual-mic`` or ``virtual-speakers``.
        action: ``create``, ``remove`` or ``status``.
        reporter: for what people read.

    Returns:
        What was asked for, empty unless it was the status, and whether the device is as it was asked for to be.

    Raises:
        DeviceError: it cannot be done; see `virtual.create`, `virtual.remove`, `cable.find_cable`.
    """
    plan = PLANS[word]
    if not sys.platform.startswith("linux"):
        return _about_cable(plan, action, reporter)
    use = f"rtdenoise --input {word} --output speakers"
    if plan.kind == "output":
        use = f"rtdenoise --input mic --output {word}"
    if action == "status":
        state = virtual.status(plan)
        return _describe(plan, state), state.there
    if action == "create":
        made = virtual.create(plan)
        reporter.say(
            f"rtdenoise: {plan.title!r} is there{'' if made else ' already'}; it gives sound while this runs: {use}"
        )
    else:
        removed = virtual.remove(plan)
        reporter.say(f"rtdenoise: {plan.title!r} {'is removed' if removed else 'was not there: nothing to remove'}")
    return "", True


def _describe(plan: VirtualPlan, state: VirtualState) -> str:
    if not state.there:
        return f"{plan.title}: not there"
    stays = "stays until it is removed" if state.kept else "goes when nobody uses it"
    if not state.kept and not state.users:
        stays = "left behind by a process that died; the next one uses and removes it"
    users = f"used by process {', '.join(state.users)}" if state.users else "rtdenoise does not run"
    verb = "heard by" if plan.kind == "output" else "played to by"
    return f"{plan.title}: there, {stays}; {users}; {verb} {', '.join(state.programs) or 'nobody'}"


def _about_cable(plan: VirtualPlan, action: str, reporter: Reporter) -> tuple[str, bool]:
    """Where it is a cable, not ours to make or remove."""
    try:
        name = find_cable(plan.word, plan.kind, list_devices(), sys.platform).name
    except CableMissingError:
        if action == "create":
            raise
        name = ""
    there = f"{plan.title}: there, choose {other_side(name)!r} as the {plan.role} in the call program"
    if action == "status":
        return there if name else f"{plan.title}: not there", bool(name)
    if action == "remove":
        there = f"{name!r} is removed as it was installed" if name else "there is no virtual cable: nothing to remove"
    reporter.say(f"rtdenoise: {there}")
    return "", True
