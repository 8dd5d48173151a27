"""Layer 3: stages that touch the world; `f(frozen value, directories, deadline) -> frozen value`."""
