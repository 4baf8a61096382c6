// Which arithmetic products of float32 may use, for the whole process. PyTorch's defaults are exact float32 for matrix products and TF32,
// which has the range of float32 and 10 bits of fraction, for convolutions on GPUs that have it.

import { TorchError } from './errors.js';
import { engine } from './native.js';

/** PyTorch's names: `highest` is float32 itself, `high` allows TF32, `medium` bfloat16; where the hardware has it. */
export type Float32Precision = 'highest' | 'high' | 'medium';

const precisions: readonly Float32Precision[] = ['highest', 'high', 'medium'];

/**
 * Sets what matrix products of float32 may use inside. Default `highest`. Throws TorchError for another name.
 * @example setFloat32MatmulPrecision('high'); // TF32 on a GPU from Ampere on
 */
export function setFloat32MatmulPrecision(precision: Float32Precision): void {
  if (!precisions.includes(precision)) {
    throw new TorchError(
      `setFloat32MatmulPrecision: must be one of ${precisions.join(' ')}, got ${precision as string}`,
    );
  }
  engine().setFloat32MatmulPrecision(precision);
}

/** What matrix products of float32 may use inside. */
export function float32MatmulPrecision(): Float32Precision {
  return engine().float32MatmulPrecision();
}

/** Sets whether convolutions of float32 on a GPU may use TF32. PyTorch's `torch.backends.cudnn.allow_tf32`; default true, as there. */
export function setConvTf32(isAllowed: boolean): void {
  engine().setConvTf32(isAllowed);
}

/** Whether convolutions of float32 on a GPU may use TF32. */
export function convTf32(): boolean {
  return engine().convTf32();
}
