"""A name that moved to `base.grammar.validation`, for imports that have not followed yet."""

from kzram_ci.base.grammar.validation import checked

__all__ = ["checked"]
