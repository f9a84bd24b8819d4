"""Runs tests with the lowest versions that setup.cfg allows, in a fresh virtual environment.

    python3.11 tools/check_lower_bounds.py ../lowest_versions tests/data tests/config

The environment is made in the folder given, which must be new or empty. Every `>=X` of the package and its extras
becomes `==X`, so that pip either installs these very versions or says which do not go together; what only the tests
need, and does not go with the rest, is left out by --without. Further flags go to pytest; without any, the tests that
are not slow run. Run by hand; the results are in CONTRIBUTING.md.
"""

import argparse
import configparser
import os
import pathlib
import re
import subprocess
import sys
import venv

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
FAST = ("-m", "not slow")


def lower_bounds(setup_cfg: str) -> dict[str, str]:
    """The lowest version of every requirement of a setup.cfg and its extras, by package.

    Args:
      setup_cfg: the text of the file.

    Raises:
      ValueError: a requirement has no lower bound, or two of one package differ.
    """
    parser = configparser.ConfigParser()
    parser.read_string(setup_cfg)
    lists = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    bounds: dict[str, str] = {}
    for line in "\n".join(lists).splitlines():
        requirement = line.partition("#")[0].strip()
        if not requirement:
            continue
        found = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*>=\s*([0-9][0-9A-Za-z.]*)\s*(,[^;]*)?", requirement)
        if not found:
            raise ValueError(f"setup.cfg requires {requirement!r}: write it as NAME>=VERSION, then what else it needs.")
        # One name for all ways to write it, as the packaging standard has it.
        name = re.sub(r"[-_.]+", "-", found[1]).lower()
        if bounds.setdefault(name, found[2]) != found[2]:
            raise ValueError(f"setup.cfg requires {name}>={bounds[name]} and {name}>={found[2]}: write one bound.")
    return bounds


def main(argv: list[str] | None = None) -> int:
    """Makes the environment and runs the tests; returns the exit code of what failed, of pip or of pytest."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], epilog=__doc__.split("\n\n")[2].strip().replace("\n", " ")
    )
    parser.add_argument("folder", help="where the environment is made; new or empty")
    parser.add_argument("--without", action="append", default=[], help="a requirement to leave out; repeatable")
    parser.add_argument("--install_only", action="store_true", help="run no tests")
    arguments, flags = parser.parse_known_args(argv)
    folder = os.path.abspath(arguments.folder)
    if os.path.isfile(folder) or (os.path.isdir(folder) and os.listdir(folder)):
        print(f"check_lower_bounds: {folder} is not an empty folder: name another.", file=sys.stderr)
        return 2
    text = (REPOSITORY / "setup.cfg").read_text(encoding="utf-8")
    try:
        bounds = lower_bounds(text)
        for name in arguments.without:
            if bounds.pop(name, None) is None:
                raise ValueError(
                    f"--without={name}: setup.cfg requires no such package, write it as in the list of pip"
                )
    except ValueError as error:
        print(f"check_lower_bounds: {error}", file=sys.stderr)
        return 2
    venv.create(folder, with_pip=True)
    requirements = os.path.join(folder, "requirements.txt")
    pathlib.Path(requirements).write_text("".join(f"{name}=={version}\n" for name, version in bounds.items()))
    python = os.path.join(folder, "bin", "python")
    install = [python, "-m", "pip", "install", "--quiet", "--requirement", requirements, "--editable", str(REPOSITORY)]
    code = subprocess.run(install, check=False).returncode
    if code or arguments.install_only:
        return code
    subprocess.run([python, "-m", "pip", "list"], check=False)
    return subprocess.run([python, "-m", "pytest", *(flags or FAST)], cwd=REPOSITORY, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
