"""Rules that runbooks are held to beyond being valid. Each is one module; ``rules`` lists them."""
