"""Reading damaged images: what is left of the tables, how they fit together, and how sure that is."""
