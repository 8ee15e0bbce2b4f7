/**
 * The stack of a thread that runs Postgres. Address space, touched only where a statement nests deeply. With it Postgres's own check (max_stack_depth) comes
 * first and answers 54001 "stack depth limit exceeded" for 40,000 nested operators and for endless recursion; with Node's 4 MB the thread's stack ends
 * first, and PGlite dies without an error (measured with PGlite 0.5.16 on Node 24: 64 MB were not enough). Used by both clients.
 */
export const STACK_MB = 256;
