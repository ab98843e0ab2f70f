"""Memory of this process: how much it has taken at most, and what becomes of what is freed."""

import ctypes
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""What mallopt(3) calls M_TRIM_THRESHOLD and M_MMAP_THRESHOLD."""


def peak_bytes() -> dict[str, int]:
    """`ram` by the kernel's VmHWM, where there is one, and `gpu` by torch's allocator, where there is a GPU.

    getrusage would begin with what the parent had taken when it started this process.
    """
    lines = STATUS.read_text(encoding="utf-8").splitlines() if STATUS.exists() else []
    ram = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    found = {"ram": ram[0]} if ram else {}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.max_memory_allocated()
    return found


def keep_what_is_freed() -> None:
    """Lets glibc hold on to freed memory: every pass takes as much again, and new pages cost a CPU time.

    Another C library goes on as it does.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(MMAP_THRESHOLD, 2**30)
        library.mallopt(TRIM_THRESHOLD, 2**31 - 1)
