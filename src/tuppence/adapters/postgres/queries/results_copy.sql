COPY pg_temp.new_results (customer_id, as_of, ruleset, packed) FROM STDIN (FORMAT BINARY)
