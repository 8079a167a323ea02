"""The model repository: `<root>/<name>/<version>/model.onnx`, as Triton and KServe have it."""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from despliegue.errors import DespliegueError, ModelNotFound, ModelNotReady, NotSupported, shorten
from despliegue.models import manifest
from despliegue.models.model import FILE_NAME, Model, SessionSettings

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a model's name and version look like. It also keeps `..` and `/` out of paths."""

type Key = tuple[str, str]
type Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ModelState:
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


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The outcome of one load, and what lay in the folder then."""

    outcome: Model | DespliegueError
    fingerprint: Fingerprint


class ModelRepository:
    """The models below `root`, each loaded once, when first asked for. Safe to use from several threads.

    Nothing is read at construction, so start time does not grow with models that nobody asks for.
    """

    def __init__(self, root: Path, settings: SessionSettings | None = None) -> None:
        self.root = root
        self._settings = settings or SessionSettings()
        self._loaded: dict[Key, _Loaded] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._defaults: dict[str, str] = {}
        self._seen: dict[Key, Fingerprint] = {}

    def names(self) -> list[str]:
        """Names of all models that have a version, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(folder.name for folder in self.root.iterdir() if _is_name(folder.name) and _versions_in(folder))

    def versions(self, name: str) -> list[str]:
        """The versions of a model in numeric order, so that 10 follows 9.

        Raises:
            ModelNotFound: there is no such model.
        """
        versions = _versions_in(self.root / name) if _is_name(name) else []
        if not versions:
            raise ModelNotFound(f"there is no model {shorten(name)}; GET /v2/models lists those there are")
        return versions

    def default_version(self, name: str) -> str:
        """The version that is meant when none is named: what `<name>/manifest.json` says, else the highest.

        Raises:
            ModelNotFound: there is no such model.
            ModelNotReady: its manifest names a version that is not there.
        """
        if default := self._defaults.get(name):
            return default
        versions = self.versions(name)
        chosen = _chosen_version(self.root / name) or versions[-1]
        if chosen not in versions:
            raise ModelNotReady(
                f"model '{name}': its manifest makes {shorten(chosen)} the default version,"
                f" but the versions are {', '.join(versions)}"
            )
        self._defaults[name] = chosen
        return chosen

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

    def refresh(self) -> list[Key]:
        """Bring what is loaded up to date with the files; call it now and then where models change under a server.

        A changed model is loaded anew while the old one still answers, once its files have been the same for two calls
        in a row (so not while they are being copied). One whose files are gone is dropped.

        Returns:
            The versions that were loaded anew or dropped.
        """
        self._defaults.clear()
        changed = []
        for key, loaded in list(self._loaded.items()):
            now = _fingerprint(self._folder(*key))
            settled = self._seen.get(key) == now
            self._seen[key] = now
            if now == loaded.fingerprint or not settled:
                continue
            changed.append(key)
            if now:
                self._loaded[key] = self._read(*key)
            else:
                del self._loaded[key]
        return changed

    def _folder(self, name: str, version: str) -> Path:
        return self.root / name / version

    def _load(self, name: str, version: str) -> _Loaded:
        if version not in self.versions(name):
            raise ModelNotFound(
                f"model '{name}' has no version {shorten(version)}; it has {', '.join(self.versions(name))}"
            )
        with self._locks.setdefault((name, version), threading.Lock()):
            if (name, version) not in self._loaded:
                self._loaded[name, version] = self._read(name, version)
            return self._loaded[name, version]

    def _read(self, name: str, version: str) -> _Loaded:
        folder = self._folder(name, version)
        fingerprint = _fingerprint(folder)
        outcome: Model | DespliegueError
        try:
            outcome = Model.load(folder, name, version, self._settings)
        except (ModelNotReady, NotSupported) as error:
            message = f"model '{name}' version {version} is not ready: {error}"
            outcome = type(error)(message, subject=error.subject)
        return _Loaded(outcome, fingerprint)


def _is_name(text: str) -> bool:
    return NAME_PATTERN.fullmatch(text) is not None


def _versions_in(folder: Path) -> list[str]:
    try:
        found = [entry.name for entry in folder.iterdir() if _is_name(entry.name) and (entry / FILE_NAME).is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=_numeric_order)


def _numeric_order(version: str) -> list[int | str]:
    # Split at digits, texts and numbers alternate, so that two keys never compare a text with a number.
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", version))]


def _chosen_version(folder: Path) -> str | None:
    try:
        document = orjson.loads((folder / manifest.FILE_NAME).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise ModelNotReady(f"model '{folder.name}': its {manifest.FILE_NAME} cannot be read: {error}") from error
    chosen = document.get("default_version") if isinstance(document, dict) else None
    return None if chosen is None else str(chosen)


def _fingerprint(folder: Path) -> Fingerprint:
    """Changes when a file of the folder does; empty when the model is gone."""
    if not (folder / FILE_NAME).is_file():
        return ()
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)
