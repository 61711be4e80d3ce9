-- The trigger note_definition sends a notification for each rule that is approved or retired.
LISTEN tuppence_rules
