"""What can be shared on the hub: a folder with a card, which one method uploads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import client


@dataclass(frozen=True)
class Parcel:
    """What is uploaded.

    Args:
        what: What it is, in a word.
        kind: The kind of repository: ``model`` or ``dataset``.
        fill: Writes the files into an empty folder.
        card: Writes the README for a repository of some name.
    """

    what: str
    kind: str
    fill: Callable[[Path], object]
    card: Callable[[str], str]


class Shared(ABC):
    """What can be uploaded to the hub."""

    @abstractmethod
    def _parcel(self) -> Parcel:
        """Return what is uploaded."""

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        message: str | None = None,
    ) -> str:
        """Upload it to the hub, without a model's weights, with a card that says what it is.

        Args:
            repo_id: The repository, ``namespace/name``, made if needed.
            private: Whether a new repository is private.
            revision: The branch; the default one if not given.
            token: A token, or as the hub's client finds one.
            message: The commit's message; it says what is added if not given.

        Returns:
            The repository's address.

        Raises:
            InputError: If the name is none of the hub's, or the hub refuses.
        """
        parcel = self._parcel()
        return client.push(
            parcel.fill,
            repo_id,
            lambda: parcel.card(repo_id),
            kind=parcel.kind,
            message=f"Add a {parcel.what}" if message is None else message,
            private=private,
            revision=revision,
            token=token,
        )
