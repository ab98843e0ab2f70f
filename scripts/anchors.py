"""Looks after anchor stores: the SQLite files that keep what a teacher answered.

python scripts/anchors.py verify data/scenes/anchors.sqlite               is everything in it as it was stored?
python scripts/anchors.py ledger data/scenes/anchors.sqlite               calls, tokens and cost, by teacher
python scripts/anchors.py export data/scenes/anchors.sqlite out.parquet   or out.jsonl
python scripts/anchors.py import data/scenes/anchors.sqlite in.jsonl
python scripts/anchors.py merge data/scenes/anchors.sqlite other.sqlite   adds what the other has
"""

import argparse
import sys
from pathlib import Path

from vlrlcd.anchors.exchange import export_anchors, import_anchors, merge_stores, verify_store
from vlrlcd.anchors.ledger import Ledger, spending
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.cli import run
from vlrlcd.errors import UserError


def verify(path: Path) -> None:
    with AnchorStore(path, make=False) as store:
        faults = verify_store(store)
        print(f"{path}: {len(store):,} anchors, {len(faults)} faults")
    if faults:
        print("\n".join(faults), file=sys.stderr)
        sys.exit(1)


def ledger(path: Path) -> None:
    with AnchorStore(path, make=False) as store:
        accounts = store.ledger().accounts
    if not accounts:
        print(f"{path}: no teacher was called for it")
    for model in sorted({model for model, _ in accounts}):
        own = Ledger({names: account for names, account in accounts.items() if names[0] == model})
        print(f"{model}: {spending(own.facts())}")


def export(path: Path, file: Path) -> None:
    with AnchorStore(path, make=False) as store:
        print(f"{file}: {export_anchors(store, file):,} anchors")


def import_(path: Path, file: Path) -> None:
    if not file.is_file():
        raise UserError(f"{file} does not exist: give the path of an exported file.")
    with AnchorStore(path) as store:
        print(f"{path}: {import_anchors(store, file):,} new anchors, {len(store):,} in all")


def merge(path: Path, file: Path) -> None:
    with AnchorStore(file, make=False) as other, AnchorStore(path) as store:
        print(f"{path}: {merge_stores(store, other):,} new anchors, {len(store):,} in all")


COMMANDS = {"verify": verify, "ledger": ledger, "export": export, "import": import_, "merge": merge}
ALONE = {"verify", "ledger"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = commands.add_parser(name)
        command.add_argument("store", type=Path)
        if name not in ALONE:
            command.add_argument("file", type=Path)
    flags = parser.parse_args()
    COMMANDS[flags.command](flags.store, *([] if flags.command in ALONE else [flags.file]))


if __name__ == "__main__":
    run(main)
