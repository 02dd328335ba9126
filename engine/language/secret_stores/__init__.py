"""Where secrets may be kept: one module for each store, none of which knows the others."""
