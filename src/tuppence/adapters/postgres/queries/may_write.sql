SELECT has_table_privilege('tuppence.transactions', 'INSERT, UPDATE, DELETE') AS may_write
