"""Writes the page of a run anew from what the run left, finished or not.

python scripts/report.py runs/quickstart
"""

import argparse
from pathlib import Path

from vlrlcd.cli import run
from vlrlcd.report import write_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run's folder")
    print(write_report(parser.parse_args().run))


if __name__ == "__main__":
    run(main)
