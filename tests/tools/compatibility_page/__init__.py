"""docs/compatibility.md, generated: every cell is an answer of the truth table."""
