"""Nouns of the product: frozen values and pure functions, standard library only."""
