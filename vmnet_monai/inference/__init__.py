"""A bundle applied to images: predictor, manifest of a run, runtimes, writer."""
