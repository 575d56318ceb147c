"""How static files are served: hashed names, compressed, one style sheet per kind of page."""

import re
from collections.abc import Iterator
from typing import Any

from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

ENTRIES = ("css/app.css", "css/site.css")
IMPORT = re.compile(r'^@import "([^"]+)";$', re.MULTILINE)


class SiteStaticStorage(CompressedManifestStaticFilesStorage):
    """Puts the imports of an entry into it during collectstatic, then hashes and compresses.

    A browser would fetch thirty small files one after another; two need no build tool. Before
    collectstatic has run (tests, a first look) names are plain and the imports work as they are.
    """

    def post_process(self, paths: dict[str, Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        for entry in ENTRIES:
            if entry in paths:
                self._put_in(entry)
        yield from super().post_process(paths, *args, **kwargs)

    def stored_name(self, name: str) -> str:
        known = self.hashed_files.get(self.hash_key(self.clean_name(name)))
        return known or name

    def _put_in(self, entry: str) -> None:
        folder = entry.rpartition("/")[0]

        def content(match: re.Match[str]) -> str:
            with self.open(f"{folder}/{match[1]}") as file:
                return file.read().decode()

        with self.open(entry) as file:
            whole = IMPORT.sub(content, file.read().decode())
        self.delete(entry)
        self.save(entry, ContentFile(whole.encode()))
