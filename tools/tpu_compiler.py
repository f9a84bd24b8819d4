"""Compiles a lowered step for a TPU that is not there; needs jax and libtpu, neither TensorFlow nor a device.

    python tools/tpu_compiler.py FOLDER --topology=v5e:2x2

The folder holds step.mlir and signature.json, as tools/compile_for_tpu.py writes them for this process, which it starts
for every compile. Prints one line of JSON: sizes in bytes, operations, collectives; or what the compiler said where the
step does not fit.
"""

import argparse
import json
import os
import pathlib
import re
import time
from collections.abc import Callable
from typing import Any

# Topology -> the kind of machine that the compiler is told it stands on.
ACCELERATORS = {
    "v4:2x2x1": "v4-8",
    "v5e:1x1": "v5litepod-1",
    "v5e:2x2": "v5litepod-4",
    "v5e:2x4": "v5litepod-8",
    "v5p:2x2x1": "v5p-8",
    "v6e:1x1": "v6e-1",
    "v6e:2x2": "v6e-4",
    "v6e:2x4": "v6e-8",
}
CPU = "cpu"  # this machine's processor, without libtpu
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
MODULE, SIGNATURE = "step.mlir", "signature.json"


def set_environment(topology: str) -> None:
    """Keeps libtpu from looking for a TPU and from asking a metadata server for one; before jax is imported."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    if topology != CPU:
        os.environ |= {
            "TPU_SKIP_MDS_QUERY": "1",
            "TPU_WORKER_HOSTNAMES": "localhost",
            "TPU_ACCELERATOR_TYPE": ACCELERATORS[topology],
            # No device is taken, so that several may compile at a time.
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        }
        os.environ.setdefault("TPU_MIN_LOG_LEVEL", "3")


def devices_of(topology: str) -> list:
    """The cores of a topology."""
    import jax
    from jax.experimental import topologies

    if topology == CPU:
        return jax.devices(CPU)[:1]
    return topologies.get_topology_desc(topology, platform="tpu").devices


def memory_of(device) -> int | None:
    """Bytes of a core that a program may have, by what the compiler says of one that is too large; None if nothing."""
    import jax

    placed = jax.sharding.SingleDeviceSharding(device)
    too_large = jax.ShapeDtypeStruct([2**32, 128], "float32", sharding=placed)
    try:
        jax.jit(lambda values: 2 * values).lower(too_large).compile()
    except jax.errors.JaxRuntimeError as error:
        found = re.search(r"exceeds available HBM \(([\d.]+)G\)", str(error))
        return int(float(found[1]) * 2**30) if found else None
    return None


def compile_step(folder: pathlib.Path, topology: str, data_parallel: bool) -> dict:
    """What the compiler makes of the step for one core, or for all with the inputs shared out.

    Returns:
        dict with `kind` (the device's), `devices`, `memory` (bytes of one), `seconds`, and either `refused` (the
        compiler's words) or sizes in bytes of a core (`argument`, `output`, `alias`, `temp`, `generated_code`), and
        `flops` and `collectives` by name, None where JAX cannot read what the compiler made (some steps for v6e).
    """
    import jax
    import run_lowered_step

    signature = json.loads((folder / SIGNATURE).read_text(encoding="utf-8"))
    function = run_lowered_step.jax_function(
        (folder / MODULE).read_text(encoding="utf-8"), signature["inputs"], signature["state"], signature["measures"]
    )
    devices = devices_of(topology)
    devices = devices if data_parallel else devices[:1]
    mesh = jax.sharding.Mesh(devices, ("data",))
    placed = {
        name: jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
        for name, axes in (("inputs", ("data",)), ("state", ()))
    }
    arguments = [
        jax.ShapeDtypeStruct(one["shape"], one["dtype"], sharding=placed[kind])
        for kind in ("inputs", "state")
        for one in signature[kind]
    ]
    first = len(signature["inputs"])
    step = jax.jit(
        function,
        donate_argnums=tuple(range(first, len(arguments))),
        keep_unused=True,
        out_shardings=placed["state"],
    )
    memory = None if topology == CPU else memory_of(devices[0])
    told = {"kind": devices[0].device_kind, "devices": len(devices), "memory": memory}
    begin = time.monotonic()
    try:
        compiled = step.lower(*arguments).compile()
    except jax.errors.JaxRuntimeError as error:
        return told | {"refused": str(error)[:4000], "seconds": time.monotonic() - begin}
    told["seconds"] = time.monotonic() - begin
    sizes = compiled.memory_analysis()
    for part in ("argument", "output", "alias", "temp", "generated_code"):
        told[part] = getattr(sizes, f"{part}_size_in_bytes")
    cost, text = _read(compiled.cost_analysis), _read(compiled.as_text)
    return told | {
        "flops": None if cost is None else cost.get("flops", 0.0),
        "collectives": None if text is None else collectives_in(text),
    }


def collectives_in(text: str) -> dict[str, int]:
    """How many of each collective a compiled program has."""
    found = {name: len(re.findall(rf" {name}(?:-start)?\(", text)) for name in COLLECTIVES}
    return {name: count for name, count in found.items() if count}


def _read(analysis: Callable[[], Any]) -> Any:
    import jax

    try:
        return analysis()
    except jax.errors.JaxRuntimeError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--topology", choices=(*ACCELERATORS, CPU), required=True)
    parser.add_argument("--data_parallel", action="store_true")
    flags = parser.parse_args()
    set_environment(flags.topology)
    print(json.dumps(compile_step(flags.folder, flags.topology, flags.data_parallel)))


if __name__ == "__main__":
    main()
