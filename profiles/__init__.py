"""WHO: what a member wants and agreed to. Pure: no clock, no input or output."""
