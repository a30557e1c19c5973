"""News in a table that a model predicts: counted, and told in one warning."""

from dataclasses import dataclass, field

from .errors import listed


@dataclass
class Surprises:
    """Categories and values that the training data had not: counted, and told once."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, column: str, what: str, count: int, examples: list[str]) -> None:
        if count:
            self.counts[column, what] = self.counts.get((column, what), 0) + count
            self.examples.setdefault((column, what), []).extend(examples)

    def sentence(self) -> str:
        """All of it in one line; empty when there is nothing."""
        parts = []
        for (column, what), count in self.counts.items():
            shown = listed([f"'{t}'" for t in self.examples[column, what]], 3)
            parts.append(f"column '{column}': {count} {what}" + (f" ({shown})" if shown else ""))
        return "; ".join(parts)
