import ast
import pathlib
import re

import pytest
import tensorflow as tf

import simone_tf
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


def test_what_a_graph_or_a_check_outside_of_one_found_is_told_in_its_words():
    found = tf.constant([6, 4])

    @tf.function
    def in_a_graph(condition):
        tf.debugging.Assert(condition, ["It's wrong; found:", found, 3])
        return condition

    def in_a_dataset(condition):
        return list(tf.data.Dataset.from_tensors(condition).map(in_a_graph.python_function))

    for check in (in_a_graph, in_a_graph.python_function, in_a_dataset):
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            check(tf.constant(False))
        assert first_line(raised.value).replace("6, 4", "6 4") == "It's wrong; found: 6 4, 3"


def test_the_way_to_an_error_in_a_graph_is_left_out():
    decode = tf.function(tf.io.decode_png)
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        decode(tf.constant("nothing"))
    assert "Detected at node" in str(raised.value)
    assert first_line(raised.value).startswith("Unknown image file format")


def test_no_message_advises_to_delete_what_was_not_shown_bad():
    """Only measures whose bytes were read and found damaged, and which are made again."""
    package = pathlib.Path(simone_tf.__file__).parent
    found = set()
    for path in [*package.rglob("*.py"), *(package.parent / "tools").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("UserError", "say"):
                parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                text = "".join(part for part in parts if isinstance(part, str))
                if re.search(r"\b(delet|remov|eras)(e|ing)\b|\brm\b", text):
                    found.add(path.name)
    assert found == {"clip_store.py"}
