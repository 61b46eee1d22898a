"""The panel: levels, reduction and keys on a terminal, drawn by a process of its own that may die without harm.

`readings` is what passes to it, `process` starts and feeds it, `app` and `drawing` are what runs there.
"""
