"""Where and how a training computes: device, threads, memory, determinism."""

from __future__ import annotations

import ctypes
import logging
import os
import sys

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from neurospect.errors import BadInputError

log = logging.getLogger(__name__)

# Of mallopt, in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
MOST_TO_KEEP = 2**31 - 1
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare_compute(device: str, threads: int) -> torch.device:
    """Choose the device, keep to `threads` threads, and ask for deterministic algorithms.

    Memory that tensors free stays with the process, see `keep_freed_memory`.

    Parameters
    ----------
    device
        "auto" (CUDA where there is one), "cpu" or "cuda".
    threads
        For PyTorch, BLAS and OpenMP alike, loaded already or later.

    Returns
    -------
    torch.device
        Where to train.

    Raises
    ------
    BadInputError
        When CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise BadInputError(
            "config",
            "device",
            found="cuda, but PyTorch sees no CUDA device",
            expected="a machine with a CUDA device",
            remedy="Use device: auto or cpu, or run where there is a GPU.",
        )
    torch.set_num_threads(threads)
    threadpool_limits(limits=threads)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    keep_freed_memory()
    # An operation without a deterministic algorithm on CUDA warns; the warning goes to the log.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    logging.captureWarnings(True)
    chosen = torch.device("cuda" if available and device != "cpu" else "cpu")
    log.info("computing on %s with %d thread(s), deterministic algorithms on", chosen, threads)
    return chosen


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, for the next tensor.

    By default, glibc hands the memory of every large tensor back at once, and the system then gives
    new pages for the next, each a fault and filled with zeros: with volumes, that is a third of the
    time of a training step. The process keeps up to 2 GiB that it does not use.

    Returns
    -------
    bool
        Whether the C library is one that can be told so (glibc).
    """
    if sys.platform != "linux":
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:
        return False
    return bool(tell(M_MMAP_MAX, 0) and tell(M_TRIM_THRESHOLD, MOST_TO_KEEP))
