"""The one progress bar of a run, however many processes it has."""

from tqdm import tqdm

from vlrlcd.processes import ranks


def progress(items=None, **shown) -> tqdm:
    """A tqdm bar in the first process, a silent one in the others."""
    return tqdm(items, mininterval=2, disable=not ranks.first(), **shown)
