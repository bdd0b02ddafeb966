"""The command line. May import submit, context, migrations and what is below."""
