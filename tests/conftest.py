import os

from hypothesis import settings

# tiny tensors gain nothing from threads, and on a busy machine lose a factor of ten or more
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a busy machine is no failure
settings.register_profile("vlrlcd", deadline=None)
settings.load_profile("vlrlcd")
