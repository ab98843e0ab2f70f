"""The one exception that reaches a user without a stack trace."""


class UserError(Exception):
    """One sentence that names the file, row or key at fault and the cure."""
