import pytest
import tensorflow as tf

from simone_tf.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one.\ntwo"), "one"),
        (ValueError("\n  second line comes first\n"), "second line comes first"),
        (ValueError(), "ValueError"),
        (ValueError("\n"), "ValueError"),
        (OSError(28, "No space left on device", "/some/file"), "No space left on device"),
        (OSError("without a number"), "without a number"),
        (KeyError("name"), "'name'"),
        (ValueError("a\tb\x1b[31m"), "a?b?[31m"),
        (ValueError("x" * 1000), "x" * 200),
        (
            tf.errors.InvalidArgumentError(None, None, "assertion failed: [It\\'s too long:] [4] [5]\n\t [[x]]"),
            "It's too long: 4, 5",
        ),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it holds bytes that are no text"),
        (tf.errors.DataLossError(None, None, "{{function_node __wrapped}} corrupted [Op:Next]\nmore"), "corrupted"),
    ],
)
def test_first_line(error, line):
    assert first_line(error) == line
