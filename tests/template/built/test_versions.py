"""A changed byte publishes another version for the alias; what is the same publishes none, wherever it is built."""

from __future__ import annotations

import shutil
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.template.built.conftest import Project


def published(expanded: dict[str, Any]) -> str:
    """The logical id of the version that the alias points to: CloudFormation publishes when it is a new one."""
    resources = expanded["Resources"]
    version: str
    [version] = [name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Version"]
    [alias] = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::Alias"]
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    return version


@pytest.fixture(scope="module")
def project(new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """What is built and packaged again for every change, so with few packages."""
    project = new_project(tmp_path_factory.mktemp("versions") / "project")
    project.keep_few_packages()
    return project


@pytest.fixture(scope="module")
def unchanged(project: Project) -> dict[str, Any]:
    """What CloudFormation is given before anything is changed."""
    return project.package()


@pytest.fixture(scope="module")
def version(unchanged: dict[str, Any]) -> str:
    return published(unchanged)


def test_the_same_sources_publish_nothing_wherever_they_are_built(
    version: str, new_project: Callable[[Path], Project], tmp_path: Path
) -> None:
    elsewhere = new_project(tmp_path / "another" / "folder of another name")
    elsewhere.keep_few_packages()
    assert published(elsewhere.package()) == version


def contents(project: Project) -> dict[str, bytes]:
    """All that is built but the template: by path, a digest."""
    build = project.built(".")
    paths = (path for part in build.iterdir() if part.is_dir() for path in part.rglob("*"))
    return {str(path.relative_to(build)): sha256(path.read_bytes()).digest() for path in paths if path.is_file()}


def test_all_packages_are_the_same_to_the_byte_wherever_they_are_built(
    builds: dict[str, Project], load_project: Callable[[Path], Project], tmp_path: Path
) -> None:
    """The versions above are of few packages: this is why they hold for all."""
    elsewhere = load_project(tmp_path / "another" / "folder of another name")
    shutil.copytree(builds["x86_64"].folder, elsewhere.folder, ignore=shutil.ignore_patterns(".aws-sam"))
    elsewhere.build()
    first, second = contents(builds["x86_64"]), contents(elsewhere)
    assert {path.partition("/")[0] for path in first} >= {"RuntimeLayer", "TablesLayer", "ImagesLayer", "ServingLayer"}
    assert not [path for path in first.keys() | second.keys() if first.get(path) != second.get(path)]


def layers_of(expanded: dict[str, Any], function: str) -> list[str]:
    """The logical ids of a function's layers: another id is another layer, and CloudFormation updates the function."""
    return [layer["Ref"] for layer in expanded["Resources"][function]["Properties"]["Layers"]]


@pytest.mark.parametrize(
    ("changed", "before", "after"),
    [
        ("layers/models/toy/1/model.onnx", b"double", b"Double"),
        ("layers/serving/python/despliegue/__init__.py", b'"""', b'""" '),
        ("layers/runtime/Makefile", b" flatbuffers ", b" _flatbuffers "),
        ("functions/predict/app.py", b'"""', b'""" '),
        ("template.yaml", b"OPENBLAS_NUM_THREADS: '1'", b"OPENBLAS_NUM_THREADS: '2'"),
    ],
)
def test_one_byte_changes_the_published_version(
    project: Project, version: str, changed: str, before: bytes, after: bytes
) -> None:
    path = project.folder / changed
    original = path.read_bytes()
    assert before in original
    path.write_bytes(original.replace(before, after, 1))
    try:
        assert published(project.package()) != version
    finally:
        path.write_bytes(original)


def test_a_change_of_what_only_scoring_needs_reaches_its_functions_and_publishes_nothing(
    project: Project, unchanged: dict[str, Any], version: str
) -> None:
    """They have no versions: a layer of another name is enough."""
    path = project.layers / "tables/Makefile"
    original = path.read_text()
    path.write_text(original.replace("UNUSED_FILES := *.pyi", "UNUSED_FILES := *.pyi py.typed", 1))
    try:
        after = project.package()
    finally:
        path.write_text(original)
    for function in ("ScoreFunction", "ScoreFailedFunction"):
        old, new = layers_of(unchanged, function), layers_of(after, function)
        assert [name for name, other in zip(old, new, strict=True) if name != other] == [old[1]]
    assert published(after) == version


def test_what_is_not_deployed_publishes_nothing(project: Project, version: str) -> None:
    """Caches, notes and private data beside the sources."""
    strays = [
        "layers/models/README.md",
        "layers/models/toy/private/examples.json",
        "layers/models/toy/1/.DS_Store",
        "layers/serving/notes.txt",
        "layers/serving/python/despliegue/__pycache__/errors.cpython-312.pyc",
        "layers/serving/python/despliegue.egg-info/PKG-INFO",
        "functions/predict/__pycache__/app.cpython-313.pyc",
    ]
    for stray in strays:
        path = project.folder / stray
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("stray")
    with (project.layers / "runtime/requirements.txt").open("a") as pins:
        pins.write("# a comment\n")
    assert published(project.package()) == version
