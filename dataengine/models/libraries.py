"""Python libraries that an adapter needs and the base installation does not bring."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from dataengine.errors import UserError


@dataclass(frozen=True)
class Library:
    """A distribution, and what installs it."""

    distribution: str
    extra: str | None = None
    """The extra of this package that brings a version that was tried …"""
    url: str | None = None
    """… or where it is, if on no registry."""

    @property
    def command(self) -> str:
        """What installs it."""
        if self.url is not None:
            return f"pip install '{self.distribution} @ {self.url}'"
        return f"pip install 'dataengine[{self.extra}]'"

    def installed(self) -> str | None:
        """Its version, or None if it is not there; nothing is imported."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None

    def require(self, adapter: str) -> str:
        """Its version. Raises UserError, with the command that installs it, if it is not there."""
        version = self.installed()
        if version is None:
            raise UserError(
                f"adapter {adapter!r} needs {self.distribution}, which is not installed; run: {self.command}"
            )
        return version
