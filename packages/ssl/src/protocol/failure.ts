/** What a command says with `--json` when it fails: the last line of its standard output. */
export interface FailureLine {
  readonly error: string; // for people
  /** Name of the error's class, such as `RunError`, `ConfigError`, or `InterruptedError` of a run that was asked to stop. */
  readonly kind: string;
}
