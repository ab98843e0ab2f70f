"""How much memory this process has taken at most."""

from pathlib import Path

import torch

STATUS = Path("/proc/self/status")


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
