"""The real server `transformers serve`."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.run.jobs import BIN, free_port


@contextmanager
def served(checkpoint, home) -> Iterator[str]:
    """The address of `transformers serve` with this checkpoint pinned, once /health answers."""
    port = free_port()
    command = [str(BIN / "transformers"), "serve", str(checkpoint), "--host=127.0.0.1", f"--port={port}"]
    # /v1/models fails as long as the cache folder does not exist, and nothing here may ask the hub
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = (home / "serve.log").open("w+")
    process = subprocess.Popen([*command, "--device=cpu"], stdout=log, stderr=log, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not _healthy(address):
            assert process.poll() is None and time.monotonic() < deadline, (home / "serve.log").read_text()[-2000:]
            time.sleep(0.2)
        yield address
    finally:
        process.kill()
        process.wait()
        log.close()


def _healthy(address) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
