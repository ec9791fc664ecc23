"""What is concluded from measurements: one question of the paper a file, tables in, tables out."""
