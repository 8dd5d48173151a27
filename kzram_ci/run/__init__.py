"""Layer 4: assembly; the only place that knows the order of the stages."""
