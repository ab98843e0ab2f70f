"""Found by every Python below a folder on PYTHONPATH: notes which rank opens which file for writing, in $AUDIT."""

import os
import sys

LOG = os.open(os.environ["AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        os.write(LOG, f"{os.environ.get('RANK', '-')} {os.path.abspath(arguments[0])}\n".encode())


sys.addaudithook(note)
