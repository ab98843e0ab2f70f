"""Writes the tiny checkpoint of a family."""

import argparse
from pathlib import Path

from tests.tiny import FAMILIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    print(FAMILIES[args.family](args.folder))


if __name__ == "__main__":
    main()
