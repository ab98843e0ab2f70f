import numpy as np
import psutil

from vlrlcd.memory import peak_bytes


def test_the_peak_is_at_least_what_was_ever_taken():
    taken = np.ones(2**24)
    at_most = psutil.Process().memory_info().rss
    del taken
    # the kernel counts pages by core and adds them up now and then
    assert 0.99 * at_most <= peak_bytes()["ram"] < psutil.virtual_memory().total
