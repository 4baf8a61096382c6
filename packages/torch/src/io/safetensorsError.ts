/** A safetensors file that breaks a rule of the format, or a tensor that it cannot hold. The message names file, rule and values. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}
