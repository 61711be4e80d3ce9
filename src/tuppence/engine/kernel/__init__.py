"""The kernel: loops that gather features from rows and run a plan's program over them.

    gather    rows      -> features of each customer
    compute   features  -> states, scores and values of each rule and customer

The kernel is compiled once for an installation, not once for a ruleset: everything that depends on
the rules is in the tables that `engine.binding` prepares.
"""
