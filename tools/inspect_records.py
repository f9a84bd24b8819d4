"""Tells what is in TFRecord files: the reader that fits, shards, shapes, value ranges, objects, and any damage.

    python tools/inspect_records.py datasets/quickstart --out=pictures

Takes files and folders in any format that simone_tf reads, compressed or not, and writes nothing, except pictures where
--out says so: for each set of files a sheet of its first clips over their segments (PNG) and an animation (GIF). Exit
code: 0 when all is well; 1 when records are damaged, the files of a set do not fit together or one is missing, or no
reader fits; 2 when there is nothing that can be inspected.
"""

import argparse
import json
import os
import re
import sys

from simone_tf import interrupts
from simone_tf.cli import command
from simone_tf.cli.command import check_name
from simone_tf.cli.console import say
from simone_tf.errors import UserError, first_line


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="inspect_records",
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n")[2],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", help="TFRecord files, or folders of them")
    parser.add_argument("--out", help="folder for a sheet (PNG) and an animation (GIF) of each set's first clips")
    parser.add_argument("--clips", type=int, default=4, help="clips in the pictures")
    parser.add_argument("--max_records", type=int, default=400, help="records to read of each file; 0 reads all")
    parser.add_argument("--max_files", type=int, default=8, help="files to open of each set; 0 opens all")
    parser.add_argument("--json", action="store_true", help="print one JSON list, an object per set of files, instead")
    return parser.parse_intermixed_args(argv)


def inspect(arguments: argparse.Namespace) -> int:
    """Inspects and prints; returns the exit code, 0 or 1."""
    for flag, least, most in (("clips", 1, 64), ("max_records", 0, 10**12), ("max_files", 0, 10**9)):
        value = getattr(arguments, flag)
        if not least <= value <= most:
            raise UserError(f"--{flag}={value} is out of range: choose {least} to {most}.")
    for path in arguments.paths:
        check_name("", path)

    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # nothing here needs a GPU, or should take its memory
    from simone_tf.cli import quiet_tensorflow  # noqa: F401
    from simone_tf.data.inspection import find_sets, inspect_set

    sets = {}
    for path in arguments.paths:
        sets |= find_sets(path)
    endless = sys.maxsize
    reports, texts, stems = [], [], set()
    for name, paths in sets.items():
        report = inspect_set(
            name, paths, arguments.max_records or endless, arguments.max_files or endless, arguments.clips
        )
        reports.append(report)
        pictures = save_pictures(arguments.out, report, stems) if arguments.out and report.samples else []
        texts.append("\n".join([*lines(report), *(f"  wrote {path}" for path in pictures)]))
    unreadable = [file for report in reports for file in report.files if file.compression is None]
    if len(unreadable) == sum(len(report.files) for report in reports):
        raise UserError(unreadable[0].fault)
    if arguments.json:
        say(json.dumps([report.to_json() | {"all_faults": faults(report)} for report in reports], indent=2))
    else:
        say("\n\n".join(texts))
    return int(any(faults(report) or report.format is None for report in reports))


def faults(report) -> list[str]:
    """Every sentence on what is wrong with a set, once; a file that is missing is a fault where all belong to it."""
    found, missing = report.all_faults(), report.missing_sentence()
    told = any(name in fault for name in report.missing_files[:1] for fault in found)
    return [*found, missing] if missing and not told and not report.may_lack_files else found


def lines(report) -> list[str]:
    """The report of one set, for people."""
    total = len(report.files) + report.unread_files
    text = [report.name, f"  format: {format_sentence(report)}"]
    for file in report.files[:8]:
        kind = {None: "no TFRecord file", "": "not compressed"}.get(file.compression, file.compression)
        text.append(f"  {os.path.basename(file.path)}: {file.bytes:,} bytes, {kind}{count(file)}")
    if total > 8:
        text.append(f"  and {total - len(report.files[:8])} more files ({report.unread_files} of {total} not opened)")
    if report.missing_files and report.may_lack_files:
        text.append(f"  {report.missing_sentence()}")
    if report.clips:
        text.append(f"  in {report.clips} clips:" if report.clips > 1 else "  in one clip:")
    for name, field in report.fields.items():
        shapes = " or ".join(str(shape) for shape in field.shapes)
        text.append(f"    {name}: {field.dtype} {shapes}, from {field.least:g} to {field.greatest:g}")
    if report.objects:
        least, greatest = report.objects
        text.append(f"    objects in a clip: {least}" + (f" to {greatest}" if greatest > least else ""))
    if report.absent_fields:
        text.append(f"  has no {', '.join(report.absent_fields)}")
    if report.format is None and report.features:
        text.append("  features of the first record:")
        for name, (kind, number, sizes) in report.features.items():
            first = f", of {', '.join(map(str, sizes))}{' ...' * (number > len(sizes))} bytes" if sizes else ""
            text.append(f"    {name}: {number} {kind}{first}")
    return [printable(line) for line in [*text, *(f"  FAULT: {fault}" for fault in faults(report))]]


def format_sentence(report) -> str:
    """Says which reader fits."""
    if report.format:
        return f"{report.format}, split {report.split!r}"
    if report.features is None:
        return "no reader of simone_tf fits: " + (
            "the records are no tf.train.Example."
            if any(file.records for file in report.files)
            else "no record is there."
        )
    return "no reader of simone_tf fits these features; tools/import_video.py takes videos and folders of frames."


def count(file) -> str:
    """Says how many records a file has."""
    if file.compression is None:
        return ""
    if file.is_complete:
        return f", {file.records} record{'s' * (file.records != 1)}"
    return f", {file.records} or more records (--max_records=0 reads all)"


def printable(line: str) -> str:
    """The line without what could move a terminal's cursor: names in files are anybody's."""
    return "".join(character if character.isprintable() else "?" for character in line)


def save_pictures(folder: str, report, stems: set[str]) -> list[str]:
    """Writes the sheet and, unless the clips are single images, the animation; returns their paths.

    `stems` are the names that this run has given so far: sets of the same name in two folders get numbers.
    """
    from simone_tf.pictures.clip_sheet import clip_animation, clip_sheet
    from simone_tf.pictures.image_files import save_gif, save_png

    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out={folder} cannot be made ({first_line(error)}): choose another folder.") from error
    name = (
        re.sub(r"[^A-Za-z0-9_-]+", "_", re.split(r"\.tfrecord|-N+-of-", os.path.basename(report.name))[0]).strip("_")
        or "clips"
    )
    parent = re.sub(r"[^A-Za-z0-9_-]+", "_", os.path.basename(os.path.dirname(os.path.abspath(report.name)))).strip("_")
    name = first = f"{parent}_{name}" if parent else name
    number = 1
    while name in stems:
        number += 1
        name = f"{first}_{number}"
    stems.add(name)
    stem = os.path.join(folder, name)
    save_png(f"{stem}.png", clip_sheet(report.samples))
    paths = [f"{stem}.png"]
    if any(len(clip["video"]) > 1 for clip in report.samples):
        save_gif(f"{stem}.gif", clip_animation(report.samples))
        paths.append(f"{stem}.gif")
    return paths


def main(argv: list[str] | None = None) -> int:
    """Runs the command.

    Returns:
      The exit code: 0, 1 or 2 as described above, 130 after Ctrl-C.
    """
    arguments = parse_arguments(argv)
    try:
        return inspect(arguments)
    except UserError as error:
        say(f"inspect_records: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("inspect_records: interrupted.", sys.stderr)
        return interrupts.exit_code()


if __name__ == "__main__":
    command.run(main, interrupted="nothing half written is left")
