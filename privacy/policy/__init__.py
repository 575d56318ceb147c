"""The privacy policy and the terms, each version a file; what is in force is decided by its date.

from privacy.policy import current, versions
current("privacy").version
"""

from privacy.policy.documents import Document, Part, current, versions

__all__ = ["Document", "Part", "current", "versions"]
