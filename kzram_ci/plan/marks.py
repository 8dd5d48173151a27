"""Names that moved to `base.grammar` and `base.suggest`, for imports that have not followed yet."""

from kzram_ci.base.grammar.problems import Document, Key, Problems, Where
from kzram_ci.base.grammar.problems import GrammarErrors as PlanErrors
from kzram_ci.base.grammar.yaml_source import Map, parse
from kzram_ci.base.suggest import allowed, did_you_mean

__all__ = ["Document", "Key", "Map", "PlanErrors", "Problems", "Where", "allowed", "did_you_mean", "parse"]
