"""Shows what a run left, finished or not, as pages and figures that need no network.

    python scripts/report.py runs/quickstart                          report.html in the run's folder, written anew
    python scripts/report.py --watch runs/quickstart                  the same page, live while the run trains
    python scripts/report.py runs/quickstart --plots                  every curve as SVG and PNG, in the run's plots/
    python scripts/report.py runs/a runs/b --output compare.html      runs side by side, the others against the first

The live page is served to this machine alone. Of a run on another machine: ssh -L 8765:localhost:8765 THAT_MACHINE
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from vlrlcd.errors import UserError
from vlrlcd.processes.leaving import run
from vlrlcd.report import write_report
from vlrlcd.report.compare import write_comparison
from vlrlcd.report.live import PORT, serve
from vlrlcd.report.plots import write_plots

LAST_PORT = 65_535


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run's folder")
    parser.add_argument("--watch", action="store_true", help="serve the page live, until Ctrl-C")
    parser.add_argument("--port", type=int, help=f"where --watch serves it (default: {PORT}; 0: any free one)")
    parser.add_argument("--plots", action="store_true", help="write the curves and the headline figures as files")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the page that sets several runs side by side")
    args = parser.parse_args()
    for impossible, sentence in REFUSED:
        if impossible(args):
            raise UserError(sentence.format(**vars(args)))
    if args.watch:
        serve(args.runs[0], PORT if args.port is None else args.port)
    elif args.plots:
        print(write_plots(args.runs[0]))
    elif args.output:
        print(write_comparison(args.runs, args.output))
    else:
        print(write_report(args.runs[0]))


def _cannot_be_written(path: Path) -> bool:
    return path.is_dir() or not path.absolute().parent.is_dir()


REFUSED: list[tuple[Callable[[argparse.Namespace], bool], str]] = [
    (lambda args: args.watch and args.plots, "--watch and --plots do not go together: give one of them."),
    (lambda args: args.watch and len(args.runs) > 1, "--watch takes one run: give one folder, or start one for each."),
    (lambda args: args.plots and len(args.runs) > 1, "--plots takes one run: give one folder at a time."),
    (
        lambda args: bool(args.output) and (args.watch or args.plots),
        "--output is for several runs side by side: leave out --watch and --plots.",
    ),
    (
        lambda args: len(args.runs) > 1 and not args.output,
        "several runs go side by side onto a page of their own: name it with --output, such as --output compare.html.",
    ),
    (
        lambda args: bool(args.output) and len(args.runs) == 1,
        "--output is for several runs, and the page of one goes into its own folder: leave out --output.",
    ),
    (lambda args: args.port is not None and not args.watch, "--port is where --watch serves the page: add --watch."),
    (
        lambda args: args.port is not None and not 0 <= args.port <= LAST_PORT,
        f"--port {{port}} must be between 0 and {LAST_PORT}.",
    ),
    (
        lambda args: bool(args.output) and _cannot_be_written(args.output),
        "--output {output} cannot be written: give the name of a file in a folder that exists.",
    ),
]


if __name__ == "__main__":
    run(main)
