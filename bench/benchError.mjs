/** Something outside of this program does not do what it should; the message says what to do. No trace is shown. */
export class BenchError extends Error {}
