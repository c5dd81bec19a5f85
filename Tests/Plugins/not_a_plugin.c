/* A shared library that has nothing to do with Martlet. */
int an_answer(void);
int an_answer(void) { return 42; }
