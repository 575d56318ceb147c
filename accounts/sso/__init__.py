"""An account's own single sign-on: whose provider speaks for which addresses."""
