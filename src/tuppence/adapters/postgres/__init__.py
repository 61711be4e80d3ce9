"""PostgreSQL: the system of record of facts and of definitions."""
