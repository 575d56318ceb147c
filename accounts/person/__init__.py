"""A person's own pages: profile, address, password, second factors, sessions."""
