"""What is left over: by ended targets, of ended jobs, and what nobody can run."""
