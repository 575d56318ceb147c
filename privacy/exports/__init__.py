"""Taking along: everything of an account as a ZIP, and reading it in again elsewhere."""
