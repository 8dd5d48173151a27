"""Layer 2: renderers; results in, bytes or text out. Pure."""
