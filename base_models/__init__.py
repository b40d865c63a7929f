"""Networks, heads, losses, and the one training loop."""
