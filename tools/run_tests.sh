#!/usr/bin/env bash
# Installs simone_tf with its test tools into a virtual environment of its own (.venv-test) and runs ruff, mypy and all tests.
# With --fast the tests marked slow are left out, and an environment that is there is taken as it is; other flags go to
# pytest. Tests that render scenes need OSMesa (Debian and Ubuntu: libosmesa6); without it they are skipped and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3.11}"
fast=() flags=()
for flag in "$@"; do
  if [ "$flag" = --fast ]; then fast=(-m "not slow"); else flags+=("$flag"); fi
done
installed=.venv-test/installed
if [ "${#fast[@]}" = 0 ] || ! [ "$installed" -nt setup.cfg ]; then
  "$python" -m venv .venv-test
  .venv-test/bin/python -m pip install --quiet --editable '.[test]'
  touch "$installed"
fi
.venv-test/bin/ruff check .
.venv-test/bin/ruff format --check .
.venv-test/bin/mypy
# Three files at a time for two cores, as many tests wait for processes that they started; a file stays in one process,
# as its tests share what they prepare.
.venv-test/bin/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder "${fast[@]}" "${flags[@]}"
