"""The privacy policy, the terms and the list of subprocessors, each version a file.

from privacy.policy import current, versions
current("privacy").version

A version counts from its day on, once it has been published here: `privacy.policy.publication`.
"""

from privacy.policy.documents import Document, Kind, Part, versions
from privacy.policy.publication import current

__all__ = ["Document", "Kind", "Part", "current", "versions"]
