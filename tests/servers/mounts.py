"""Whether a test may mount what it needs, seen by nobody else."""

import shutil
import subprocess
from functools import cache


@cache
def can_mount() -> bool:
    """True where a process gets a mount namespace of its own."""
    if not shutil.which("unshare"):
        return False
    tried = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=100k tmpfs /mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0
