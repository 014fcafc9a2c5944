"""Real servers for tests: on free ports of 127.0.0.1, in a folder of the test, gone when the test is."""
