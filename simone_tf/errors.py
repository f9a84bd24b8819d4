"""The one exception for mistakes that a user can mend."""


class UserError(Exception):
    """A mistake the user can mend: one sentence that names the file or binding, what was found and what to do.

    The commands print its text on stderr without a traceback and exit with code 2.
    """
