import platform
import subprocess
import sys

import numpy as np
import psutil
import pytest

from vlrlcd.memory import peak_bytes


def test_the_peak_is_at_least_what_was_ever_taken():
    taken = np.ones(2**24)
    at_most = psutil.Process().memory_info().rss
    del taken
    # the kernel counts pages by core and adds them up now and then
    assert 0.99 * at_most <= peak_bytes()["ram"] < psutil.virtual_memory().total


PASSES = """
import resource, torch
from vlrlcd.memory import keep_what_is_freed
if {keeps}:
    keep_what_is_freed()
def one_pass():
    layers = [torch.ones(2**20) for _ in range(30)]
one_pass()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    one_pass()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_passes_take_freed_memory_again():
    faults = [
        int(subprocess.run([sys.executable, "-c", PASSES.format(keeps=keeps)], capture_output=True, check=True).stdout)
        for keeps in (True, False)
    ]
    assert faults[0] < faults[1] / 10
