-- Told of each rule that is approved or retired, by the trigger note_definition.
LISTEN tuppence_rules
