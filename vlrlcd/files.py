"""Files that are there whole or not at all."""

import os
from pathlib import Path


def write_whole(path: Path, text: str, writer: str = "") -> None:
    """Puts a file in its place in one step: a kill leaves what was there before.

    Args:
        path: the file.
        text: all of it.
        writer: tells those apart who may write it at the same moment.
    """
    partial = path.with_name(f".{path.name}{writer}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
