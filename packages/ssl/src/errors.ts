/**
 * Errors that are the user's to mend: configuration, data, run folders. Their messages are complete sentences of the
 * form `<where>: <rule>, got <values>; <what to do>` and are shown without a backtrace.
 */

/** A setting, or a combination of settings, that cannot work. `path` is its key, such as `model.patch`. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly path?: string;
  constructor(message: string, path?: string) {
    super(message);
    if (path !== undefined) this.path = path;
  }
}

/** Data that cannot be read or does not fit. */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly sampleId?: string;
  readonly path?: string;
  constructor(message: string, at: { readonly sampleId?: string; readonly path?: string } = {}) {
    super(message);
    if (at.sampleId !== undefined) this.sampleId = at.sampleId;
    if (at.path !== undefined) this.path = at.path;
  }
}

/** A run folder that is missing, locked, damaged or in the way. */
export class RunError extends Error {
  override readonly name = 'RunError';
}

/** What was thrown, in words, for a message that says where and what to do: it need not be an Error. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
