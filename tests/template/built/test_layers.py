"""What `sam build` makes for both architectures: within budget, for the right machine, compiled, and nothing else."""

from __future__ import annotations

import importlib.util
import marshal
import re
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.template.built.conftest import Project

    type Builds = dict[str, Project]

MIB = 1024 * 1024
RUNTIME_BUDGET_MIB = 95
SCORE_BUDGET_MIB = 135
FUNCTION_LIMIT_MIB = 250
ELF_MACHINES = {"x86_64": 62, "arm64": 183}  # e_machine: EM_X86_64, EM_AARCH64
LAMBDA_GLIBC = (2, 34)  # Amazon Linux 2023
ARCHITECTURES = pytest.mark.parametrize("architecture", ELF_MACHINES)
MACHINE_LAYERS = pytest.mark.parametrize("layer", ["RuntimeLayer", "TablesLayer", "ImagesLayer"])


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def size(*folders: Path) -> float:
    return sum(path.stat().st_size for folder in folders for path in files(folder)) / MIB


def machine_code(folder: Path) -> dict[Path, bytes]:
    contents = ((path, path.read_bytes()) for path in files(folder))
    return {path: content for path, content in contents if content.startswith(b"\x7fELF")}


@ARCHITECTURES
def test_layers_stay_within_budget(builds: Builds, architecture: str) -> None:
    project = builds[architecture]
    assert size(project.built("RuntimeLayer")) <= RUNTIME_BUDGET_MIB
    parts = ("RuntimeLayer", "TablesLayer", "ServingLayer", "ScoreFunction")
    assert size(*map(project.built, parts)) <= SCORE_BUDGET_MIB


@ARCHITECTURES
def test_every_function_that_gets_the_models_stays_within_lambdas_limit(
    builds: Builds, source: dict[str, Any], architecture: str
) -> None:
    layers = {
        name: [layer["Ref"] for layer in each["Properties"].get("Layers", [])]
        for name, each in source["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function"
    }
    with_models = {name: parts for name, parts in layers.items() if "ModelsLayer" in parts}
    assert {"PredictFunction", "ScoreFunction", "ScoreFailedFunction"} <= set(with_models)
    for function, parts in with_models.items():
        assert size(*map(builds[architecture].built, [function, *parts])) <= FUNCTION_LIMIT_MIB, function


@MACHINE_LAYERS
@ARCHITECTURES
def test_machine_code_is_for_the_architecture_and_for_lambdas_glibc(
    builds: Builds, architecture: str, layer: str
) -> None:
    found = machine_code(builds[architecture].built(layer))
    assert len(found) >= {"RuntimeLayer": 10, "TablesLayer": 3, "ImagesLayer": 1}[layer]
    for path, content in found.items():
        (machine,) = struct.unpack_from("<H", content, 18)
        assert machine == ELF_MACHINES[architecture], path
        needed = {(int(major), int(minor)) for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", content)}
        assert max(needed, default=(0, 0)) <= LAMBDA_GLIBC, path


@MACHINE_LAYERS
@ARCHITECTURES
def test_every_shared_library_is_machine_code(builds: Builds, architecture: str, layer: str) -> None:
    folder = builds[architecture].built(layer)
    assert {path for path in files(folder) if ".so" in path.suffixes} == set(machine_code(folder))


@pytest.mark.parametrize("layer", ["RuntimeLayer", "TablesLayer", "ServingLayer"])
@ARCHITECTURES
def test_every_module_is_compiled_so_that_lambda_never_compiles(builds: Builds, architecture: str, layer: str) -> None:
    folder = builds[architecture].built(layer)
    sources = [path for path in files(folder) if path.suffix == ".py"]
    assert sources
    compiled = {path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc": path for path in sources}
    assert {path for path in files(folder) if path.suffix == ".pyc"} == set(compiled)
    for path, source in compiled.items():
        content = path.read_bytes()
        magic, flags, digest = struct.unpack_from("<4sI8s", content)
        assert magic == importlib.util.MAGIC_NUMBER, path
        assert flags == 0b01, f"{path} is not a hash-based .pyc that nobody checks"
        assert digest == importlib.util.source_hash(source.read_bytes()), path
        code = marshal.loads(content[16:])
        assert code.co_filename == f"/opt/{source.relative_to(folder)}"


@pytest.mark.parametrize("layer", ["RuntimeLayer", "TablesLayer", "ImagesLayer", "ServingLayer", "ModelsLayer"])
@ARCHITECTURES
def test_no_file_says_where_it_was_built(builds: Builds, architecture: str, layer: str) -> None:
    project = builds[architecture]
    for path in files(project.built(layer)):
        assert bytes(project.folder) not in path.read_bytes(), path


@ARCHITECTURES
def test_each_layer_lands_in_its_place_under_opt(builds: Builds, architecture: str) -> None:
    project = builds[architecture]
    assert (project.built("RuntimeLayer") / "python/numpy/__init__.py").is_file()
    tables = project.built("TablesLayer")
    assert {path.relative_to(tables).as_posix() for path in tables.glob("*/*")} == {"python/arro3", "python/backports"}
    serving = project.built("ServingLayer")
    assert {path.relative_to(serving).as_posix() for path in serving.glob("*/*")} == {"python/despliegue"}
    library = project.layers / "serving/python"
    assert {path.relative_to(serving / "python") for path in files(serving) if path.suffix != ".pyc"} == {
        path.relative_to(library) for path in files(library / "despliegue") if path.suffix != ".pyc"
    }


@ARCHITECTURES
def test_the_images_layer_holds_the_library_of_operators_and_nothing_else(builds: Builds, architecture: str) -> None:
    images = builds[architecture].built("ImagesLayer")
    [library] = files(images)
    assert library.parent == images / "python/onnxruntime_extensions"
    assert library.match("_extensions_pydll.*.so")


@ARCHITECTURES
def test_the_models_layer_holds_models_and_nothing_private(builds: Builds, architecture: str) -> None:
    models = builds[architecture].built("ModelsLayer")
    assert {path.relative_to(models).as_posix() for path in files(models)} == {
        "models/toy/1/model.onnx",
        "models/other/manifest.json",
        "models/other/2/weights.bin",
    }


@ARCHITECTURES
def test_what_is_never_imported_while_serving_is_left_out(builds: Builds, architecture: str) -> None:
    site = builds[architecture].built("RuntimeLayer") / "python"
    assert not list(site.rglob("libonnxruntime.so.*"))
    assert list(site.rglob("libonnxruntime_providers_shared.so")), "without it every start prints a warning"
    for name in ("tests", "testing", "transformers", "quantization", "google", "bin"):
        assert not [path for path in site.rglob(name) if path.is_dir()], name
    assert not {path.suffix for path in files(site)} & {".pyi", ".pxd", ".h", ".a", ".cpp"}


@ARCHITECTURES
def test_the_tables_layer_holds_code_and_nothing_that_runtime_has(builds: Builds, architecture: str) -> None:
    tables, runtime = (builds[architecture].built(name) for name in ("TablesLayer", "RuntimeLayer"))
    assert {path.suffix for path in files(tables)} <= {".py", ".pyc", ".so", ".typed"}
    shared = {path.relative_to(tables) for path in files(tables)} & {
        path.relative_to(runtime) for path in files(runtime)
    }
    assert not shared
