"""Packages signed with a private key, and checked with the public one."""

import json
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from despliegue.errors import DespliegueError
from despliegue.models import Manifest
from despliegue.models.folder import PRIVATE
from despliegue_cli.packages.signing import SIGNATURE, sign, verify_signature

type AddModel = Callable[..., Path]


class Keys:
    """Pairs of keys as openssl makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, name: str, *how: str) -> tuple[Path, Path]:
        """The private and the public one."""
        private, public = self.folder / f"{name}.pem", self.folder / f"{name}.pub"
        subprocess.run(["openssl", "genpkey", *how, "-out", private], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
        return private, public

    def curve(self, name: str = "key", curve: str = "P-256") -> tuple[Path, Path]:
        """As `make`, on an elliptic curve."""
        return self.make(name, "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def pair(keys: Keys) -> tuple[Path, Path]:
    return keys.curve()


@pytest.fixture
def package(add_model: AddModel) -> Path:
    """A package with a manifest, private evidence and a folder of its own."""
    folder = add_model()
    (folder / PRIVATE).mkdir()
    (folder / PRIVATE / "examples.json").write_text("{}")
    (folder / "weights").mkdir()
    (folder / "weights" / "part").write_bytes(b"1234")
    Manifest(description="any").write(folder)
    return folder


@pytest.fixture
def signed(package: Path, pair: tuple[Path, Path]) -> Path:
    sign(package, pair[0])
    return package


def refusal(folder: Path, public: Path) -> str:
    with pytest.raises(DespliegueError) as refused:
        verify_signature(folder, public)
    text = str(refused.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_a_package_is_signed_and_found_as_it_was(package: Path, keys: Keys, curve: str) -> None:
    private, public = keys.curve(curve, curve)

    assert sign(package, private) == package / SIGNATURE
    verify_signature(package, public)


def test_the_signature_is_no_part_of_the_package(package: Path, pair: tuple[Path, Path]) -> None:
    before = Manifest.read(package).describe(package).digest

    sign(package, pair[0])

    assert Manifest.read(package).describe(package).digest == before


def test_a_signature_travels_without_what_is_private_or_hidden(signed: Path, pair: tuple[Path, Path]) -> None:
    shutil.rmtree(signed / PRIVATE)
    (signed / "weights" / ".DS_Store").write_bytes(b"")
    travelled = signed.rename(signed.with_name("elsewhere"))

    verify_signature(travelled, pair[1])


def test_a_link_to_a_package_is_checked_as_the_package(signed: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(signed)

    verify_signature(tmp_path / "link", pair[1])


def test_a_package_that_is_signed_again_has_the_new_signature(
    signed: Path, keys: Keys, pair: tuple[Path, Path]
) -> None:
    private, public = keys.curve("new")

    sign(signed, private)

    verify_signature(signed, public)
    assert "is not signed with the key" in refusal(signed, pair[1])


def test_a_package_that_nobody_signed_is_refused(package: Path, pair: tuple[Path, Path]) -> None:
    assert refusal(package, pair[1]) == f"{package} is not signed: there is no .model.sig in it"


def test_the_signature_of_another_key_is_refused(signed: Path, keys: Keys) -> None:
    _, other = keys.curve("other")

    assert refusal(signed, other) == (f"{signed} is not signed with the key of {other}, or its signature was changed")


def test_the_librarys_own_command_reads_the_signature(signed: Path, pair: tuple[Path, Path]) -> None:
    program = str(Path(sys.executable).parent / "model_signing")
    files = [str(signed), "--signature", str(signed / SIGNATURE), "--public_key", str(pair[1])]

    done = subprocess.run([program, "verify", "key", *files], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "weights/part"])
def test_a_changed_file_is_named(signed: Path, pair: tuple[Path, Path], name: str) -> None:
    content = bytearray((signed / name).read_bytes())
    content[-1] ^= 1
    (signed / name).write_bytes(content)

    assert refusal(signed, pair[1]) == (
        f"{signed} was changed after it was signed; changed, added or taken away: {name}"
    )


def test_files_added_and_taken_away_are_named(signed: Path, pair: tuple[Path, Path]) -> None:
    (signed / "extra.bin").write_bytes(b"")
    (signed / "weights" / "part").unlink()

    assert refusal(signed, pair[1]).endswith("changed, added or taken away: extra.bin, weights/part")


def test_what_a_signature_says_cannot_be_changed(signed: Path, pair: tuple[Path, Path]) -> None:
    (signed / "extra.bin").write_bytes(b"")
    bundle = json.loads((signed / SIGNATURE).read_bytes())
    statement = b64decode(bundle["dsseEnvelope"]["payload"])
    bundle["dsseEnvelope"]["payload"] = b64encode(statement.replace(b"examples", b"exemples")).decode()
    (signed / SIGNATURE).write_text(json.dumps(bundle))

    assert refusal(signed, pair[1]).endswith(f"is not signed with the key of {pair[1]}, or its signature was changed")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"mediaType": "none"}'])
def test_a_damaged_signature_is_refused(signed: Path, pair: tuple[Path, Path], content: bytes) -> None:
    (signed / SIGNATURE).write_bytes(content)

    assert f"{signed} has a signature that cannot be checked: " in refusal(signed, pair[1])


def test_keys_that_cannot_be_used_are_refused(package: Path, keys: Keys, pair: tuple[Path, Path]) -> None:
    ed25519 = keys.make("ed25519", "-algorithm", "ed25519")
    rsa = keys.make("rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    locked = keys.folder / "locked.pem"
    lock = ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(lock, input=pair[0].read_bytes(), check=True, capture_output=True)
    expected = (
        "key that can be used; expected an elliptic curve's, P-256, P-384 or P-521, in PEM and without a password"
    )

    for private in (ed25519[0], rsa[0], locked, pair[1], package / "model.onnx"):
        with pytest.raises(DespliegueError) as refused:
            sign(package, private)
        assert str(refused.value) == f"{private} is no private {expected}"
    for public in (ed25519[1], rsa[1], pair[0]):
        assert refusal(package, public) == f"{public} is no public {expected}"
    assert refusal(package, keys.folder / "none").endswith("/none cannot be read: No such file or directory")
    assert not (package / SIGNATURE).exists()


def test_a_link_within_a_package_is_not_signed(package: Path, pair: tuple[Path, Path]) -> None:
    (package / "link.bin").symlink_to(package / "model.onnx")

    with pytest.raises(DespliegueError, match=r"cannot be signed: .*link\.bin.* symlink"):
        sign(package, pair[0])


def test_without_the_library_it_is_said_how_to_get_it(
    package: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)

    with pytest.raises(DespliegueError, match=r"pip install 'despliegue\[signing\]'$"):
        sign(package, pair[0])
    assert refusal(package, pair[1]).endswith("pip install 'despliegue[signing]'")
