"""The model repository: names, versions, the default, loading on first use, following the files."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from despliegue.errors import ModelNotFound, ModelNotReady
from despliegue.models import Model, ModelRepository

type AddModel = Callable[..., Path]
type OnLoad = Callable[[Callable[[str], object]], None]

DOUBLE = """
    <ir_version: 10, opset_import: ["": 21]>
    double (float[N, 3] x) => (float[N, 3] y) { y = Add(x, x) }
"""


@pytest.fixture
def on_load(monkeypatch: pytest.MonkeyPatch) -> OnLoad:
    """Has a function called with the model's name each time one is loaded, before it is."""
    load = Model.load

    def watch(call: Callable[[str], object]) -> None:
        def watched(folder: Path, name: str, *rest: Any) -> Model:
            call(name)
            return load(folder, name, *rest)

        monkeypatch.setattr(Model, "load", watched)

    return watch


def test_versions_are_in_numeric_order_and_the_highest_is_the_default(
    add_model: AddModel, repository: ModelRepository
) -> None:
    for version in ("9", "10", "1.9", "1.10", "2"):
        add_model(version=version)

    assert repository.versions("m") == ["1.9", "1.10", "2", "9", "10"]
    assert repository.get("m").version == "10"
    assert repository.get("m", "2").version == "2"


def test_a_manifest_of_the_model_chooses_the_default(add_model: AddModel, repository: ModelRepository) -> None:
    for version in ("1", "2"):
        add_model(version=version)
    (repository.root / "m" / "manifest.json").write_text(json.dumps({"default_version": "1"}))

    assert repository.get("m").version == "1"


def test_a_default_that_is_not_there_is_not_ready(add_model: AddModel, repository: ModelRepository) -> None:
    add_model()
    (repository.root / "m" / "manifest.json").write_text(json.dumps({"default_version": "7"}))

    with pytest.raises(ModelNotReady, match=r"gives '7' as default_version; expected one of the strings '1'"):
        repository.get("m")


@pytest.mark.parametrize("default", ["7", 1, True, ["1"], None, ""])
def test_a_default_of_another_kind_is_not_ready(
    add_model: AddModel, repository: ModelRepository, default: object
) -> None:
    add_model()
    (repository.root / "m" / "manifest.json").write_text(json.dumps({"default_version": default}))

    with pytest.raises(ModelNotReady, match="as default_version; expected one of the strings '1'"):
        repository.get("m")


@pytest.mark.parametrize("text", ["[]", "{", "3"])
def test_a_models_manifest_of_another_form_is_not_ready(
    add_model: AddModel, repository: ModelRepository, text: str
) -> None:
    (add_model().parent / "manifest.json").write_text(text)

    with pytest.raises(ModelNotReady, match=r"model 'm' is not ready: manifest\.json is not"):
        repository.get("m")


def test_versions_that_count_alike_have_an_order_too(add_model: AddModel, repository: ModelRepository) -> None:
    for version in ("01", "1", "001"):
        add_model(version=version)

    assert repository.versions("m") == ["001", "01", "1"]


def test_folders_that_cannot_be_read_are_no_models_and_no_error(
    add_model: AddModel, repository: ModelRepository
) -> None:
    add_model()
    (repository.root / "loop").symlink_to(repository.root / "loop")
    (repository.root / "m" / "loop").symlink_to(repository.root / "m" / "loop")

    assert repository.index() == {"m": ["1"]}
    with pytest.raises(ModelNotFound):
        repository.get("loop")


@pytest.mark.parametrize(
    "name", ["x" * 256, "x" * 5000, "a/" * 3000, "nope", "..", "../m", "m/1", "", ".hidden", "ma\u00f1ana", "m\n"]
)
def test_a_name_that_is_not_there_is_not_found(add_model: AddModel, repository: ModelRepository, name: str) -> None:
    add_model()

    with pytest.raises(ModelNotFound):
        repository.get(name)


@pytest.mark.parametrize("version", ["2", "x" * 5000, "..", "../1", "."])
def test_a_version_that_is_not_there_is_not_found(
    add_model: AddModel, repository: ModelRepository, version: str
) -> None:
    add_model()

    with pytest.raises(ModelNotFound, match=r"model 'm' has no version '.*'; it has 1"):
        repository.get("m", version)


def test_stray_files_are_no_models(add_model: AddModel, repository: ModelRepository) -> None:
    add_model()
    (repository.root / "Makefile").write_text("all:")
    (repository.root / "empty" / "1").mkdir(parents=True)
    (repository.root / "m" / "notes.txt").write_text("hello")

    assert repository.index() == {"m": ["1"]}


def test_an_absent_folder_has_no_models(tmp_path: Path) -> None:
    assert ModelRepository(tmp_path / "none").index() == {}


def test_a_broken_model_says_why_while_the_others_serve(add_model: AddModel, repository: ModelRepository) -> None:
    add_model(name="good")
    (add_model(name="bad") / "model.onnx").write_bytes(b"")

    assert repository.preload(["bad", "good"], within=10) == [
        f"bad: {repository.state('bad', '1').reason}",
    ]
    assert repository.state("bad", "1").ready is False
    assert repository.state("good", "1").ready is True
    for _ in range(2):
        with pytest.raises(ModelNotReady, match="cannot load"):
            repository.get("bad")


def test_nothing_is_loaded_before_it_is_asked_for(
    add_model: AddModel, repository: ModelRepository, on_load: OnLoad
) -> None:
    for number in range(20):
        add_model(name=f"m{number}")
    loaded: list[str] = []
    on_load(loaded.append)

    repository.preload(["m3"], within=10)
    repository.index()
    repository.get("m7")
    repository.get("m7")

    assert loaded == ["m3", "m7"]
    assert repository.state("m0", "1").ready is None


def test_the_only_model_is_found_without_looking_at_all_of_many(
    add_model: AddModel, repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repository.only_model() is None
    add_model(name="first")
    (repository.root / "empty").mkdir()
    assert repository.only_model() == "first"
    for number in range(50):
        add_model(name=f"m{number}")
    looked_at: list[str] = []
    isfile = os.path.isfile
    monkeypatch.setattr(os.path, "isfile", lambda path: (looked_at.append(path), isfile(path))[1])  # type: ignore[func-returns-value]

    assert repository.only_model() is None
    assert len(looked_at) <= 3, "start time does not grow with models that nobody asked for"


def test_a_slow_model_does_not_hold_up_the_start_and_is_served_when_it_is_there(
    add_model: AddModel, repository: ModelRepository, on_load: OnLoad
) -> None:
    for name in ("slow", "next"):
        add_model(name=name)
    go_on = threading.Event()
    on_load(lambda _: go_on.wait(10))

    problems = repository.preload(["slow", "next"], within=0.05)

    assert problems == [f"{name}: not loaded after 0.05 s; it loads on first use" for name in ("slow", "next")]
    go_on.set()
    assert repository.get("slow").name == "slow"
    assert repository.get("next").name == "next"


def test_many_threads_load_a_model_once(add_model: AddModel, repository: ModelRepository, on_load: OnLoad) -> None:
    add_model()
    loads: list[str] = []

    def slowly(name: str) -> None:
        loads.append(name)
        time.sleep(0.05)

    on_load(slowly)

    with ThreadPoolExecutor(8) as pool:
        models = set(pool.map(lambda _: repository.get("m"), range(8)))

    assert len(models) == len(loads) == 1


def test_a_changed_model_is_loaded_anew_once_its_files_rest(add_model: AddModel, repository: ModelRepository) -> None:
    add_model()
    before = repository.get("m")
    assert repository.refresh() == repository.refresh() == []

    add_model(DOUBLE)

    assert repository.refresh() == [], "the files may still be being copied"
    assert repository.get("m") is before
    assert repository.refresh() == ["m 1: its files changed; loaded anew"]
    assert repository.get("m") is not before


def test_a_model_that_is_replaced_by_a_broken_one_goes_on_answering(
    add_model: AddModel, repository: ModelRepository
) -> None:
    folder = add_model()
    before = repository.get("m")

    (folder / "model.onnx").write_bytes(b"half a model")

    repository.refresh()
    (sentence,) = repository.refresh()
    assert sentence.startswith(
        "m 1: its files changed, but the old ones still answer: model 'm' version 1 is not ready"
    )
    assert repository.get("m") is before
    assert repository.refresh() == [], "it is said once"

    add_model(DOUBLE)
    repository.refresh()
    assert repository.refresh() == ["m 1: its files changed; loaded anew"]
    assert repository.get("m") is not before


def test_a_broken_model_that_is_mended_is_served(add_model: AddModel, repository: ModelRepository) -> None:
    (add_model() / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelNotReady):
        repository.get("m")

    add_model()
    repository.refresh()
    repository.refresh()

    assert repository.get("m").name == "m"


def test_files_that_come_and_go_do_not_disturb_a_refresh(add_model: AddModel, repository: ModelRepository) -> None:
    folder = add_model()
    repository.get("m")
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            (folder / "copying").write_bytes(b"")
            (folder / "copying").unlink()

    with ThreadPoolExecutor(1) as pool:
        disturbing = pool.submit(disturb)
        for _ in range(500):
            repository.refresh()
        stop.set()
        disturbing.result()

    assert repository.get("m").name == "m"


def test_a_model_that_is_gone_is_dropped_and_a_new_version_becomes_the_default(
    add_model: AddModel, repository: ModelRepository
) -> None:
    add_model()
    repository.get("m")
    add_model(version="2")
    shutil.rmtree(repository.root / "m" / "1")

    assert [repository.refresh(), repository.refresh()] == [[], ["m 1: its model.onnx is gone; dropped"]]
    assert repository.get("m").version == "2"
    with pytest.raises(ModelNotFound):
        repository.get("m", "1")
