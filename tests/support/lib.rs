//! What the tests of the built programs share: homes, daemons, relays and terminals that end with the test.
