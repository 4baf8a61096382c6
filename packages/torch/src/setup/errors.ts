// Errors of finding, installing and building the engine. They hold no tensors and need no engine, so the core may re-export them.

/** What kind of obstacle a set-up step met; tests and `doctor` branch on it, never on the text. */
export type SetupFailure =
  | 'unsupported-platform'
  | 'wrong-cpu'
  | 'no-pip'
  | 'no-compiler'
  | 'no-network'
  | 'disk-full'
  | 'cache-not-writable'
  | 'libtorch-unusable'
  | 'corrupt-wheel'
  | 'wrong-wheel'
  | 'compile-failed'
  | 'download-failed';

/** A set-up step that cannot go on; `message` ends with what to type next. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
  readonly failure: SetupFailure;

  constructor(failure: SetupFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** libtorch or the compiled addon is not there (yet); `message` says what was tried and ends with the next command. */
export class EngineNotFoundError extends Error {
  override readonly name = 'EngineNotFoundError';
}

/** The `code` of a Node system error such as 'ENOENT', or undefined for any other value. */
export function systemErrorCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}
