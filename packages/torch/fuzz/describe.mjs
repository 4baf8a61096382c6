import * as torch from '../dist/index.js';

/** A value as the log shows it: `float32[2,3]g` for a tensor that requires a gradient, with its strides where they are unusual. */
export function describe(value) {
  if (value instanceof torch.Tensor) {
    if (value.isDisposed) return 'disposed';
    const strides = value.isContiguous ? '' : `/${value.strides}`;
    return `${value.dtype}[${value.shape}]${value.requiresGrad ? 'g' : ''}${strides}`;
  }
  if (Array.isArray(value)) {
    return `[${value.slice(0, 8).map(describe).join(', ')}${value.length > 8 ? `, ... ${value.length}` : ''}]`;
  }
  if (value instanceof torch.Generator) return 'generator';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return `{${Object.entries(value).map(([key, entry]) => `${key}: ${describe(entry)}`)}}`;
  }
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 20)) : String(value).slice(0, 60);
}
