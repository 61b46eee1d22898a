"""Training of the models that rtdenoise ships. Nothing here is needed to run them."""
