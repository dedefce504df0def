"""The Dagster graph: one file a stage, in the order simulate, extract, validate, features, train, evaluate, promote."""
