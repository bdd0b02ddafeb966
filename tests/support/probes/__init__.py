"""Tasks that tests install as distributions of their own. Nothing of the tests imports them from here."""
