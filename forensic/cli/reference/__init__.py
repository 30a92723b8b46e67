"""The commands that need no image: what the tool itself can say, about its rules, its reports and its options."""
