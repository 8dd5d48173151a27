"""Which commit is guilty, how sure that is, and what to ask next. Pure: graph and observations in, a step out."""
