"""The house: which room may import which, and how long a file and a function may be."""

import ast
import functools
import graphlib
import pathlib

REPOSITORY = pathlib.Path(__file__).parents[1]
PACKAGE = REPOSITORY / "simone_tf"
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_CHAIN = 350, 80, 7

# From the ground up. A module belongs to the longest of these names that it starts with, and imports only from its own
# room or from lower floors.
FLOORS = (
    ("errors", "event_files", "interrupts", "plain_paths"),
    ("files", "locks", "npz", "checks", "pictures.pixels", "camera_conventions"),
    (
        "cameras",
        "cli",
        "one_writer",
        "pictures",
        "models.clip_fields",
        "models.parts",
        "evaluation.scores",
        "data.clip",
        "data.tfrecords",
    ),
    ("models.scene_model", "data.framing"),
    ("models.sequential_iodine", "models.simone", "models.slot_attention", "data.formats"),
    ("models", "data.pipeline", "data.videos"),
    ("data.inspection", "scenes", "training", "serving"),
    ("config", "long_videos"),
    ("evaluation",),
    ("evaluation.probes", "evaluation.views"),
    ("evaluation.report",),
    ("runs",),
    ("train", "evaluate", "decompose", "export"),
)

# Arrows that do not run downward yet, and files and functions that are too long yet. One that is mended goes from here.
ARROWS_UP: set[tuple[str, str]] = set()
LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[tuple[str, str]] = set()


@functools.cache
def modules():
    """Name of each module below the package, without it -> what its file says, parsed."""
    paths = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {
        ".".join(parts).removesuffix(".__init__"): ast.parse(path.read_text(encoding="utf-8"))
        for path, parts in paths.items()
        if parts != ("__init__",)  # The public face, which names everything and imports nothing by itself.
    }


@functools.cache
def arrows():
    """(importing module, imported module) of every import, those inside functions too."""
    found = set()
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name} imports by a relative path"
                imported = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for full in imported:
                target = full.removeprefix("simone_tf.")
                while target and target not in modules():
                    target = target.rpartition(".")[0]
                if full.startswith("simone_tf.") and target and target != name:
                    found.add((name, target))
    return frozenset(found)


def room_of(module):
    """The room of a module, and its floor."""
    floors = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
    room = module
    while room not in floors:
        assert "." in room, f"{module} is in no room"
        room = room.rpartition(".")[0]
    return room, floors[room]


def graph_of(pairs):
    graph = {}
    for importer, imported in pairs:
        graph.setdefault(importer, set()).add(imported)
    return graph


def test_every_module_has_a_room():
    packages = {name for name, tree in modules().items() if not tree.body[1:]}  # A docstring alone.
    for name in modules().keys() - packages:
        room_of(name)


def test_imports_run_downward():
    up = set()
    for importer, imported in arrows():
        (room, floor), (other, lower) = room_of(importer), room_of(imported)
        if room != other and lower >= floor:
            up.add((importer, imported))
    assert up == ARROWS_UP


def test_no_modules_import_each_other_in_a_circle():
    graphlib.TopologicalSorter(graph_of(arrows() - ARROWS_UP)).prepare()


def test_no_chain_of_rooms_is_long():
    """Counted in the rooms that one sees on opening the package."""
    rooms = {tuple(name.partition(".")[0] for name in pair) for pair in arrows() - ARROWS_UP}
    graph = graph_of((importer, imported) for importer, imported in rooms if importer != imported)
    heights = {}
    for room in graphlib.TopologicalSorter(graph).static_order():
        heights[room] = 1 + max((heights[lower] for lower in graph.get(room, ())), default=0)
    assert max(heights.values()) <= MAX_CHAIN, heights


def sources():
    return sorted([*PACKAGE.rglob("*.py"), *(REPOSITORY / "tools").glob("*.py")])


def test_no_file_is_long():
    long = {
        str(path.relative_to(REPOSITORY))
        for path in sources()
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_FILE_LINES
    }
    assert long == LONG_FILES


def test_no_function_is_long():
    long = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES:
                long.add((str(path.relative_to(REPOSITORY)), node.name))
    assert long == LONG_FUNCTIONS
