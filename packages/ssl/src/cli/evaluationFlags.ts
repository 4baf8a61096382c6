/** The options that `eval` and `study` share: which tasks, about how many photos, and what R2 asks. */
import type { Command } from 'commander';
import type { EvaluateOptions } from '../eval/evaluate.js';
import { BORDERS, EVAL_TASKS, R2_PARAMETERS } from '../protocol/report.js';
import { UsageError } from './failure.js';
import { wholeNumber } from './flags.js';

export interface EvaluationFlags {
  readonly tasks?: string;
  readonly photos?: number;
  readonly r2Parameters?: string;
  readonly r2Borders?: string;
}

/** Adds the options to a command. */
export function withEvaluationFlags(command: Command): Command {
  return command
    .option(
      '--tasks <list>',
      `comma-separated: ${EVAL_TASKS.join(',')} (default: all, for photos without classes r2,rank)`,
    )
    .option('--photos <n>', 'ask about at most this many photos of each part, evenly over classes', wholeNumber(1))
    .option('--r2-parameters <list>', `what r2 asks, comma-separated (default: ${R2_PARAMETERS.join(',')})`)
    .option('--r2-borders <list>', `under which borders, comma-separated (default: ${BORDERS.join(',')})`);
}

/** What the flags ask. Throws UsageError for a name that is none of the known, and for questions of r2 without that task. */
export function evaluationChoice(flags: EvaluationFlags): Pick<EvaluateOptions, 'tasks' | 'maxPhotos' | 'r2'> {
  const { photos, r2Parameters, r2Borders } = flags;
  const tasks = flags.tasks === undefined ? undefined : namesOf('--tasks', flags.tasks, EVAL_TASKS);
  const r2 = {
    ...(r2Parameters === undefined ? {} : { parameters: namesOf('--r2-parameters', r2Parameters, R2_PARAMETERS) }),
    ...(r2Borders === undefined ? {} : { borders: namesOf('--r2-borders', r2Borders, BORDERS) }),
  };
  if (Object.keys(r2).length > 0 && tasks?.includes('r2') === false) {
    throw new UsageError(`--r2-parameters, --r2-borders: need the task r2, got --tasks ${tasks.join(',')}; add it`);
  }
  return { r2, ...(tasks === undefined ? {} : { tasks }), ...(photos === undefined ? {} : { maxPhotos: photos }) };
}

/** `r2,knn` */
function namesOf<Name extends string>(flag: string, list: string, known: readonly Name[]): Name[] {
  return list.split(',').map((text) => {
    const name = known.find((candidate) => candidate === text.trim());
    if (name === undefined) throw new UsageError(`${flag}: must be of ${known.join(', ')}, got ${text}`);
    return name;
  });
}
