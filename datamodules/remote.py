"""Shards in an object store, by URL. The webdataset library fetches each once, whole, and it is read from the disk.

Once whole, since all labels are needed for the split before anything is trained, and order is drawn over all images.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from datamodules.cache import first_writable

AT_ONCE = 8  # downloads; a store answers many at a time
LOCK = ".fetched"


def is_remote(shards: str) -> bool:
    return "://" in shards or shards.startswith("pipe:")


def fetched(shards: str, folder: Path) -> list[Path]:
    """`shards`: a URL, its braces expanded; what is there already is not fetched again. file:// is read in place."""
    refuse_missing(shards)
    with first_writable([folder / LOCK]) as place:
        if place is None:
            raise PermissionError(f"{folder} cannot be written, and shards are kept there: set data.root=FOLDER")
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            return list(pool.map(_fetcher(folder), _urls(shards)))
        finally:
            pool.shutdown(cancel_futures=True)
            for half in folder.glob("*.temp*"):  # ours, or of a killed process: we hold the lock
                half.unlink()


def refuse_missing(shards: str) -> None:
    try:
        import webdataset  # noqa: F401
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{shards} needs the webdataset library: pip install 'cnn-pruning[webdataset]', or give data.root a mount"
        ) from error
    if shards.startswith("pipe:"):
        raise ValueError(
            f"{shards} would run a command out of a configuration: give https://, s3:// or a mounted folder"
        )


def _urls(shards: str) -> list[str]:
    from webdataset.cache import url_to_cache_name
    from webdataset.shardlists import expand_urls

    urls = expand_urls(shards)
    if len({url_to_cache_name(url) for url in urls}) < len(urls):
        raise ValueError(f"{shards} names two shards alike, and they are kept by name: rename one")
    return sorted(urls)


def _fetcher(folder: Path) -> Callable[[str], Path]:
    from webdataset.cache import FileCache
    from webdataset.gopen import gopen_schemes

    gopen_schemes.setdefault("s3", _open_s3)
    store = FileCache(str(folder), validator=None)  # the index checks more

    def fetch(url: str) -> Path:
        try:
            return Path(store.get_file(url))
        except (OSError, ValueError) as error:
            cause = str(error).split("(read)")[0].rpartition(": ")[2].strip()  # not the whole: it can hold a key
            raise FileNotFoundError(
                f"{url} could not be fetched ({cause}): check the address and the access; the same command goes on"
            ) from error

    return fetch


def _open_s3(url: str, mode: str, bufsize: int) -> Any:
    """The library knows s3:// only through a shell."""
    from webdataset.gopen import Pipe

    if shutil.which("aws") is None:
        raise FileNotFoundError(f"{url}: s3:// is read by the program aws, which is not here")
    return Pipe(["aws", "s3", "cp", "--only-show-errors", url, "-"], mode=mode, bufsize=bufsize)
