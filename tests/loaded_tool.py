"""A program of tools/ as a module."""

import importlib.util
import sys

from tiny_run import REPOSITORY

TOOLS = REPOSITORY / "tools"


def load_tool(name):
    """Loads tools/<name>.py anew, as a program that finds what is beside it."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # AutoGraph looks modules up by name
    sys.path.insert(0, str(TOOLS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TOOLS))
    return module
