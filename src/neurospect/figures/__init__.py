"""Tables and arrays in, figures out."""
