"""Uploads to and downloads from the Hugging Face hub, by its own client."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError, one_line

#: The library's name on the hub, by which its repositories are found.
LIBRARY = "heuristic-core"

#: A name on the hub, with its namespace.
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)

#: Why the hub does not answer a client that was told not to ask it.
OFFLINE = "offline mode is set"


def check_name(repo_id: str) -> str:
    """Check that a name is one of the hub's, with its namespace.

    Raises:
        InputError: If it is not.
    """
    if not isinstance(repo_id, str) or not NAME.fullmatch(repo_id):
        raise InputError(
            f"{one_line(repr(repo_id), 80)} is no name on the hub; give namespace/name"
        )
    return repo_id


def unreachable() -> str | None:
    """Say why the hub does not answer; ``None`` if it does.

    It is asked once. What the client reads, it tries again for half a minute where it is not in
    its cache, so a caller asks this first and reads the cache alone if there is no answer.
    """
    import huggingface_hub  # takes a moment
    from huggingface_hub import constants, errors

    try:
        session = huggingface_hub.get_session()
        session.head(constants.ENDPOINT, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except errors.OfflineModeIsEnabled:
        return OFFLINE
    except (errors.HTTPError, OSError) as error:
        return one_line(str(error), 120) or type(error).__name__
    return None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the client's warnings of each retry off the screen."""
    from huggingface_hub.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def push(
    fill: Callable[[Path], object],
    repo_id: str,
    card: Callable[[], str],
    *,
    kind: str,
    message: str,
    private: bool | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
) -> str:
    """Upload a folder with its card as one commit; the repository is made if needed.

    Args:
        fill: Writes the files into an empty folder.
        repo_id: The repository, ``namespace/name``.
        card: Writes its README.
        kind: ``model`` or ``dataset``.
        message: The commit's message.
        private: Whether a new repository is private; as the account's setting says if not given.
        revision: The branch; the default one if not given.
        token: A token, or as the client finds one.

    Returns:
        The repository's address.

    Raises:
        InputError: If the name is none of the hub's, or the hub refuses.
    """
    check_name(repo_id)
    with tempfile.TemporaryDirectory(prefix="hcore-") as temporary:
        folder = Path(temporary) / "files"
        folder.mkdir()
        fill(folder)
        (folder / "README.md").write_text(card(), encoding="utf-8")
        with _refused(f"cannot push to {repo_id}"), quiet():
            import huggingface_hub  # takes a moment, and only this needs it

            client = huggingface_hub.HfApi(token=token, library_name=LIBRARY)
            address = client.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True)
            if revision is not None:
                client.create_branch(repo_id, branch=revision, repo_type=kind, exist_ok=True)
            client.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                repo_type=kind,
                revision=revision,
                commit_message=message,
            )
    return str(address)


def pull(
    repo_id: str,
    files: list[str],
    *,
    kind: str,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Path:
    """Download some files of a repository into the client's cache.

    Args:
        repo_id: The repository, ``namespace/name``.
        files: Their names, with wildcards.
        kind: ``model`` or ``dataset``.
        revision: A branch, tag or commit; the default branch if not given.
        token: A token, or as the client finds one.

    Returns:
        The folder with the files.

    Raises:
        InputError: If the name is none of the hub's, or they cannot be had.
    """
    check_name(repo_id)
    with _refused(f"cannot get {repo_id}"), quiet():
        import huggingface_hub

        return Path(
            huggingface_hub.snapshot_download(
                repo_id,
                repo_type=kind,
                revision=revision,
                token=token,
                allow_patterns=files,
                local_files_only=unreachable() is not None,
                library_name=LIBRARY,
            )
        )


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Turn what the client raises into one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.LocalEntryNotFoundError as error:
        raise InputError(f"{what}: the hub cannot be reached; try again with a network") from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{what}: there is no such repository, or this account may not see it; check the name, "
            "and log in with `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(f"{what}: it has no such revision") from error
    except (errors.HTTPError, errors.HFValidationError) as error:
        raise InputError(
            f"{what}: {one_line(str(error), 200)}; check the name and the network, and log in with "
            "`hf auth login`"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{what}: {one_line(str(error), 200)}") from error
