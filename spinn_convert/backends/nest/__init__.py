"""NEST, through PyNN."""
