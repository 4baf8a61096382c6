// Activations: functions of any shape in the dtype of x, since they have nothing to learn. Formulas are PyTorch's.

import type { Tensor } from '../tensor.js';

/** max(x, 0). */
export function relu(x: Tensor): Tensor {
  return x.relu();
}

/** min(max(x, 0), 6). */
export function relu6(x: Tensor): Tensor {
  return x.hardtanh(0, 6);
}

/** x for positive x, else slope x. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return x.leakyRelu(slope);
}

/** x for positive x, else alpha (exp(x) - 1). */
export function elu(x: Tensor, alpha = 1): Tensor {
  return x.elu(alpha);
}

/** x Phi(x) with the normal distribution function Phi, exact (erf): that of vision transformers. */
export function gelu(x: Tensor): Tensor {
  return x.gelu();
}

/** The approximation x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 of `gelu`. */
export function geluTanh(x: Tensor): Tensor {
  return x.gelu({ approximate: 'tanh' });
}

/** x sigmoid(x), also called swish. */
export function silu(x: Tensor): Tensor {
  return x.silu();
}

/** x tanh(softplus(x)). */
export function mish(x: Tensor): Tensor {
  return x.mish();
}

/** x relu6(x + 3) / 6. */
export function hardswish(x: Tensor): Tensor {
  return x.hardswish();
}

/** log(1 + exp(x)). */
export function softplus(x: Tensor): Tensor {
  return x.softplus();
}

/** 1 / (1 + exp(-x)). */
export function sigmoid(x: Tensor): Tensor {
  return x.sigmoid();
}

/** The hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
  return x.tanh();
}

/** exp(x) over its sum along `dim`. */
export function softmax(x: Tensor, dim: number): Tensor {
  return x.softmax(dim);
}

/** The logarithm of `softmax`, without its underflow. */
export function logSoftmax(x: Tensor, dim: number): Tensor {
  return x.logSoftmax(dim);
}
