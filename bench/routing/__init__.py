"""How well the complexity score orders real requests, and what scoring and routing cost in time."""
