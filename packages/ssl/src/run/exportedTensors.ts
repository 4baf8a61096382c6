/** Which of a model's tensors are the product: the encoder and its adapter. */
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';

/** A teacher's tensors stand under this name beside those of the network that it follows. */
const TEACHER = 'teacher.';

/**
 * `encoder.*` and `adapter.*` of everything that a checkpoint's model holds: the teacher's where there is a teacher and it is wanted.
 * The mask token is left out: it stands for patches that only training hides.
 */
export function exportedTensors(
  model: ReadonlyMap<string, Tensor>,
  weights: Config['eval']['weights'],
): Map<string, Tensor> {
  const hasTeacher = [...model.keys()].some((name) => name.startsWith(TEACHER));
  const prefix = hasTeacher && weights === 'teacher' ? TEACHER : '';
  return new Map(
    [...model].flatMap(([name, tensor]): [string, Tensor][] => {
      const own = name.startsWith(prefix) ? name.slice(prefix.length) : '';
      return /^(encoder|adapter)\./.test(own) && own !== 'encoder.mask_token' ? [[own, tensor]] : [];
    }),
  );
}
