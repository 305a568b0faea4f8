"""What was read, done, held, asked and proved. One module per noun; the first argument is the Database."""
