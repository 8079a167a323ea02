"""The model repository: `<root>/<name>/<version>/model.onnx`, as Triton and KServe have it."""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from despliegue.errors import DespliegueError, ModelNotFound, ModelNotReady, NotSupported, shorten
from despliegue.models import manifest
from despliegue.models.folder import PRIVATE, Fingerprint, fingerprint
from despliegue.models.model import FILE_NAME, Model, SessionSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from despliegue.models.deprecation import Deprecation

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
"""What a model's name and version look like: a folder's name. It also keeps `..` and `/` out of paths."""

type Key = tuple[str, str]


class ModelState(msgspec.Struct, frozen=True):
    """What is known of one version without loading it.

    Attributes:
        name: the model's.
        version: the version's.
        ready: True loaded, False cannot be loaded, None not tried yet: it loads on first use.
        reason: why it is not ready; empty when it is.
    """

    name: str
    version: str
    ready: bool | None
    reason: str


class _Loaded(msgspec.Struct, frozen=True):
    """The outcome of one load, and what lay in the folder then."""

    outcome: Model | DespliegueError
    fingerprint: Fingerprint


class ModelRepository:
    """The models below `root`, each loaded once, when first asked for. Safe to use from several threads.

    Nothing is read at construction, so start time does not grow with models that nobody asks for.
    """

    def __init__(self, root: Path, settings: SessionSettings | None = None) -> None:
        self.root = root
        self.deprecated: dict[Key, Deprecation] = {}
        """The versions on their way out, by `<name>/manifest.json`, of the models that were asked for so far."""
        self._settings = settings or SessionSettings(quick=True)
        self._loaded: dict[Key, _Loaded] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._defaults: dict[str, str] = {}
        self._seen: dict[Key, Fingerprint] = {}

    def index(self) -> dict[str, list[str]]:
        """Every model with its versions in numeric order, by name; a folder without a model, or unreadable, is none."""
        found = {name: _versions_in(self.root / name) for name in sorted(_names_in(self.root))}
        return {name: versions for name, versions in found.items() if versions}

    def only_model(self) -> str | None:
        """The name of the repository's model, if it has just one; looks no further than the second."""
        names = (name for name in _names_in(self.root) if _versions_in(self.root / name))
        first, second = next(names, None), next(names, None)
        return first if second is None else None

    def versions(self, name: str) -> list[str]:
        """The versions of a model in numeric order, so that 10 follows 9.

        Raises:
            ModelNotFound: there is no such model.
        """
        versions = _versions_in(self.root / name) if NAME_PATTERN.fullmatch(name) else []
        if not versions:
            raise ModelNotFound(f"there is no model {shorten(name)}")
        return versions

    def default_version(self, name: str) -> str:
        """The version that is meant when none is named: what `<name>/manifest.json` says, else the highest.

        Raises:
            ModelNotFound: there is no such model.
            ModelNotReady: its manifest cannot be read, names a version that is not there, or deprecates none rightly.
        """
        if default := self._defaults.get(name):
            return default
        versions = self.versions(name)
        try:
            document = manifest.read_object(self.root / name / manifest.FILE_NAME) or {}
            chosen = document.get("default_version", versions[-1])
            if chosen not in versions:
                raise ModelNotReady(
                    f"its {manifest.FILE_NAME} gives {shorten(chosen)} as default_version;"
                    f" expected one of the strings {', '.join(map(shorten, versions))}"
                )
            if "deprecated" in document:
                from despliegue.models.deprecation import read_deprecations  # here: few have any

                found = read_deprecations(document, versions, chosen)
                self.deprecated |= {(name, version): entry for version, entry in found.items()}
        except ModelNotReady as error:
            raise ModelNotReady(f"model '{name}' is not ready: {error}") from error
        self._defaults[name] = chosen
        return str(chosen)

    def get(self, name: str, version: str | None = None) -> Model:
        """A model, loaded now if it was not yet.

        Raises:
            ModelNotFound: there is no such model or version.
            ModelNotReady: it cannot be loaded; the message says why.
            NotSupported: it has types that are not served.
        """
        if version is None:
            version = self.default_version(name)
        loaded = self._loaded.get((name, version)) or self._load(name, version)
        if isinstance(loaded.outcome, Model):
            return loaded.outcome
        # A new exception each time: one that is raised again and again would collect every caller's traceback.
        raise type(loaded.outcome)(str(loaded.outcome), subject=loaded.outcome.subject) from loaded.outcome

    def digest(self, model: Model) -> str:
        """SHA-256 in hex that names the model's package: its manifest's, which holds that of every file it lists.

        A model whose manifest lists none has its files read.
        """
        manifest = model.manifest
        return (manifest if manifest.files else manifest.describe(self._folder(model.name, model.version))).digest

    def state(self, name: str, version: str) -> ModelState:
        """What is known of one version, without loading it."""
        loaded = self._loaded.get((name, version))
        if loaded is None:
            return ModelState(name, version, None, "loads on first use")
        if isinstance(loaded.outcome, Model):
            return ModelState(name, version, True, "")
        return ModelState(name, version, False, str(loaded.outcome))

    def loaded(self) -> list[Model]:
        """The models that are loaded and ready."""
        return [entry.outcome for entry in list(self._loaded.values()) if isinstance(entry.outcome, Model)]

    def preload(self, wanted: Iterable[str], within: float) -> list[str]:
        """Load `name` or `name@version` each, for at most `within` seconds; what is left loads on first use.

        Lambda ends an initialisation that takes ten seconds and starts it again, so a slow model must not hold it up:
        one that is still loading at the end goes on in its thread, and a request for it waits for that.

        Returns:
            A sentence for each that is not loaded, for the log.
        """
        problems = {item: f"{item}: not loaded after {within:g} s; it loads on first use" for item in wanted}
        given_up = threading.Event()

        def load_in_turn() -> None:
            for item in list(problems):
                if given_up.is_set():
                    return
                name, _, version = item.partition("@")
                try:
                    self.get(name, version or None)
                except DespliegueError as error:
                    problems[item] = f"{item}: {error}"
                else:
                    del problems[item]

        loader = threading.Thread(target=load_in_turn, name="preload", daemon=True)
        loader.start()
        loader.join(within)
        given_up.set()
        return list(problems.values())

    def refresh(self) -> list[str]:
        """Bring what is loaded up to date with the files; call it now and then where models change under a server.

        A changed model is loaded anew while the old one still answers, once its files have been the same for two calls
        in a row (so not while they are being copied). If it cannot be loaded, the old one goes on answering. One whose
        `model.onnx` is gone is dropped.

        Returns:
            A sentence for each version that changed.
        """
        self._defaults.clear()
        self.deprecated.clear()
        for name in {name for name, _ in list(self._loaded)}:
            self._read_settings(name)
        changed = []
        for key, loaded in list(self._loaded.items()):
            now = fingerprint(self._folder(*key))
            settled = self._seen.get(key) == now
            self._seen[key] = now
            if now != loaded.fingerprint and settled:
                changed.append(f"{key[0]} {key[1]}: {self._replace(key, loaded)}")
        return changed

    def _replace(self, key: Key, old: _Loaded) -> str:
        if not os.path.isfile(self._folder(*key) / FILE_NAME):
            del self._loaded[key], self._seen[key]
            return "its model.onnx is gone; dropped"
        new = self._read(*key)
        if isinstance(new.outcome, DespliegueError) and isinstance(old.outcome, Model):
            self._loaded[key] = _Loaded(old.outcome, new.fingerprint)
            return f"its files changed, but the old ones still answer: {new.outcome}"
        self._loaded[key] = new
        return "its files changed; loaded anew" if isinstance(new.outcome, Model) else str(new.outcome)

    def _folder(self, name: str, version: str) -> Path:
        return self.root / name / version

    def _load(self, name: str, version: str) -> _Loaded:
        check_version(name, version, self.versions(name))
        with self._locks.setdefault((name, version), threading.Lock()):
            if (name, version) not in self._loaded:
                self._read_settings(name)
                loaded = self._read(name, version)
                if isinstance(loaded.outcome, Exception) and isinstance(loaded.outcome.__cause__, OSError):
                    return loaded  # what the system has not now it may have for the next request
                self._loaded[name, version] = loaded
            return self._loaded[name, version]

    def _read_settings(self, name: str) -> None:
        """Learn which versions are deprecated, whichever is asked for."""
        with suppress(ModelNotFound, ModelNotReady):  # whoever asks for the default is told; a version still answers
            self.default_version(name)

    def _read(self, name: str, version: str) -> _Loaded:
        folder = self._folder(name, version)
        before = fingerprint(folder)
        outcome: Model | DespliegueError
        try:
            outcome = Model.load(folder, name, version, self._settings)
        except (ModelNotReady, NotSupported) as error:
            outcome = type(error)(f"model '{name}' version {version} is not ready: {error}", subject=error.subject)
            outcome.__cause__ = error.__cause__
        return _Loaded(outcome, before)


def check_version(name: str, version: str, versions: Sequence[str]) -> None:
    """Make sure that a version is among those of a model.

    Raises:
        ModelNotFound: it is not; the message lists them.
    """
    if version not in versions:
        raise ModelNotFound(f"model '{name}' has no version {shorten(version)}; it has {', '.join(versions)}")


def _names_in(folder: Path) -> Iterator[str]:
    # os.scandir and os.path.isfile: a folder that cannot be read, or a link to itself, is no model and no error. One by
    # one, since `only_model` looks no further than the second of perhaps thousands.
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if NAME_PATTERN.fullmatch(entry.name) and entry.name != PRIVATE:
                    yield entry.name
    except OSError:
        return


def _versions_in(folder: Path) -> list[str]:
    found = [name for name in _names_in(folder) if os.path.isfile(folder / name / FILE_NAME)]
    return sorted(found, key=lambda version: (_numeric_order(version), version))


def _numeric_order(version: str) -> list[int | str]:
    # Split at digits, texts and numbers alternate, so that two keys never compare a text with a number.
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", version))]
