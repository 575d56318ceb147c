"""Reading the audit trail; `accounts.audit` writes it."""
