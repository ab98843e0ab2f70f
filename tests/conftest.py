import os

from hypothesis import settings

# tiny tensors gain nothing from threads, and on a busy machine lose a factor of ten or more
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a busy machine is no failure
settings.register_profile("vlrlcd", deadline=None)
settings.load_profile("vlrlcd")


def pytest_addoption(parser):
    kit = parser.getgroup("conformance kit")
    kit.addoption("--adapter", metavar="MODULE:CLASS", help="run tests/conformance on this adapter alone")
    kit.addoption(
        "--checkpoint",
        metavar="FOLDER|MODULE:FUNCTION",
        help="what --adapter is tried on: a tiny checkpoint, or a function of a folder that writes one "
        "(default: tiny_checkpoint in the adapter's module)",
    )
