"""Small flows that tests and benches have the worker run. Each says what it saw in a file it is given."""
