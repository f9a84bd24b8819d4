"""The one exception for mistakes that a user can mend, and how other errors are quoted in it."""

import re


class UserError(Exception):
    """A mistake the user can mend: one sentence that names the file or binding, what was found and what to do.

    The commands print its text on stderr without a traceback and exit with code 2.
    """


class LostWorkerError(UserError):
    """Another process of the same work is gone, which is no mistake of the user: the same command again goes on.

    The commands exit with code 1, so that a script can tell what to start again from what to mend.
    """


# How TensorFlow came to an error: the places in the program that made the operation, or the steps of a dataset.
_WAYS = re.compile(
    r"\AGraph execution error:\s*(?:Detected at node[^\n]*\n(?:[ \t][^\n]*\n|\n)*)*"
    r"|\AError in user-defined function passed to \S+ transformation with iterator: \S+: "
)


def one_sentence(error: UserError) -> str:
    """The text of a `UserError` on one line: without what gin adds to errors that pass through it.

    What cannot be printed, such as a line break in the name of a file, becomes a question mark.
    """
    text = str(error).partition("\n  In call to configurable")[0].strip()
    return "".join(character if character.isprintable() else "?" for character in text)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, to be quoted in a sentence: at most 200 characters, no full stop at its end.

    Of the operating system's errors it is the reason alone, of a failed assertion in a graph its own words; names of
    TensorFlow's operations, which help nobody, are left out. An error without text gives its class.
    """
    if isinstance(error, UnicodeDecodeError):
        return "it holds bytes that are no text"
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*|\(defined at .*", "", str(text)).strip()
    text = re.sub(_WAYS, "", text).strip()
    told = re.match(r"assertion failed: \[(.*?)\](.*)", text, re.DOTALL)
    if told:
        # Without the list that TensorFlow writes them in.
        text = told[1].replace("\\'", "'") + told[2].replace("] [", ", ").replace("][", " ").replace("[", "").replace(
            "]", ""
        )
    told = re.match(r"Expected '.*?' to be true\. Summarized data: (.*)", text, re.DOTALL)
    if told:
        # The same outside of a graph: first the words, as Python writes bytes, then a line for each value.
        said, *found = (re.sub(r"\Ab?(['\"])(.*)\1\Z", r"\2", part.strip()) for part in told[1].splitlines())
        text = f"{said} {', '.join(found)}".replace("\\'", "'").strip()
    line = next(iter(text.splitlines()), "").strip()[:200].rstrip(".")
    return "".join(character if character.isprintable() else "?" for character in line) or type(error).__name__
