/** What g does to the second view. */
import type { Config } from './schema.js';

/** The name of the transformation of the second view: a task's, else the one that SIE is told of, else `none`. */
export function transformationOf({
  objective,
  sie,
  recon,
}: Pick<Config, 'objective' | 'sie' | 'recon'>): Config['recon']['target'] | 'all' {
  if (recon.target !== 'none') return recon.target;
  return objective === 'sie' ? sie.target : 'none';
}
