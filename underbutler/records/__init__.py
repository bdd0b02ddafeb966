"""SQL is the truth: jobs, targets, claims, intents, products, notices. May import sql, model and what is below."""
