"""Kernels: compiled when their module is imported, without the GIL when called, from a disk cache that cannot go stale.

numba's own cache notices a change of the file that a kernel stands in, but not one of a helper in another file, nor
of the installed rocket-fft whose structures are compiled in. So the cache entry's name carries a fingerprint of all
that went into the kernel.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import rocket_fft

Function = TypeVar("Function", bound=Callable[..., Any])

# Fused multiply-add and reordered sums, but NaN and Inf keep their meaning: the door has to see them.
_FASTMATH = ("arcp", "contract", "reassoc")
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": set(_FASTMATH)}

_njit: Any = numba.njit  # typed in some versions of numba only


def compiled(signature: str) -> Callable[[Function], Function]:
    """Compile the decorated function for one numba ``signature``, from the disk cache where there is one.

    The cache lies beside the module or, where that cannot be written, in the user's cache folder; ``NUMBA_CACHE_DIR``
    goes before both. Where none can be written, the kernel is compiled anew in each process (some seconds).
    """

    def compile_now(function: Function) -> Function:
        function.__qualname__ = f"{function.__qualname__}_{_fingerprint(function)}"
        kernel: Function
        try:
            kernel = _njit(signature, cache=True, **_OPTIONS)(function)
        except (RuntimeError, OSError):
            # numba: "no locator available" for a folder that is read-only, OSError for a disk that is full.
            kernel = _njit(signature, **_OPTIONS)(function)
        return kernel

    return compile_now


def helper(function: Function) -> Function:
    """Mark a function that kernels call; it is compiled into each of them."""
    inlined: Function = _njit(**_OPTIONS)(function)
    return inlined


def _fingerprint(function: Callable[..., Any]) -> str:
    """Twelve hex digits that change with the function, its helpers, the constants that it reads, and rocket-fft."""
    digest = hashlib.sha256(repr((rocket_fft.__version__, _FASTMATH)).encode())
    waiting: list[Any] = [function]
    seen: set[Any] = set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        code = current.__code__
        digest.update(code.co_code + repr((code.co_names, code.co_varnames)).encode())
        digest.update(repr([c for c in code.co_consts if not isinstance(c, types.CodeType)]).encode())
        for name in code.co_names:
            value = current.__globals__.get(name)
            if isinstance(value, int | float | str):
                digest.update(repr(value).encode())
            elif hasattr(value, "py_func"):
                waiting.append(value.py_func)
    return digest.hexdigest()[:12]
