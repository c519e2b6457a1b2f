"""Certificates that a test makes for itself."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate and of its key."""

    cert: str
    key: str


class Authority:
    """Who issues certificates; ``ca`` is the file by which one knows them."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.ca = str(folder / f"{name}.crt")
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, file: str, *names: str) -> Certificate:
        """Write a certificate for these names, in place of the one before."""
        issued = self._authority.issue_cert(*names)
        made = Certificate(str(self._folder / f"{file}.crt"), str(self._folder / f"{file}.key"))
        # As a renewal should: never a file that is half written.
        for path, blobs in (
            (made.key, [issued.private_key_pem]),
            (made.cert, issued.cert_chain_pems),
        ):
            fresh = Path(f"{path}.new")
            fresh.write_bytes(b"".join(blob.bytes() for blob in blobs))
            fresh.replace(path)
        return made
