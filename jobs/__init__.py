"""What a clock or an operator starts: the command line, the schedule, settings and wiring."""
