import { Tensor } from '../dist/index.js';

const dtypes = ['float16', 'bfloat16', 'float64', 'int32', 'int64', 'uint8', 'bool', 'complex64'];

/** A value like the one given but for one thing: a size, a dtype, a dimension, the strides, the elements, a number, an entry of a list. */
export function nearMiss(value, random) {
  if (value instanceof Tensor) return random.pick(otherTensors(value.detach(), random))();
  if (typeof value === 'number') return random.pick([value + 1, value - 1, -value, 2 * value, value + 0.5]);
  if (typeof value === 'boolean') return !value;
  if (!Array.isArray(value) || value.length === 0) return value;
  const at = random.below(value.length);
  return random.pick([
    () => value.with(at, nearMiss(value[at], random)),
    () => value.toSpliced(at, 1),
    () => [...value, value[at]],
  ])();
}

/** Of a tensor without empty dimensions. */
function otherTensors(tensor, random) {
  const { shape } = tensor;
  const dim = random.below(shape.length);
  const ofAnyRank = [
    () => tensor.unsqueeze(dim),
    () => tensor.add(random.pick([-9, 9])),
    () => tensor.to(random.pick(dtypes)),
  ];
  if (shape.length === 0) return ofAnyRank;
  return [
    ...ofAnyRank,
    () => tensor.select(dim, 0),
    () => tensor.narrow(dim, 0, shape[dim] - 1),
    () => tensor.repeatInterleave(2, dim),
    () => tensor.narrow(dim, 0, 1).expand(shape),
    () => tensor.transpose(0, dim),
  ];
}
