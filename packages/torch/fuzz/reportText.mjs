/** A sweep's report for people: totals, the operators that never returned a result, the failures. */
export function reportText({ calls, results, gradients, errors, operators, failures }) {
  const entries = Object.entries(operators);
  const never = entries.filter(([, [, returned]]) => returned === 0).map(([entry, [made]]) => `${entry} (${made})`);
  const byClass = Object.entries(errors).map(([name, count]) => `${count} ${name}`);
  return [
    `${calls} calls of ${entries.length} operators: ${results} results (${gradients} with a gradient), ${byClass.join(', ')}`,
    `never a result: ${never.length === 0 ? 'none' : never.join(', ')}`,
    `failures: ${failures.length === 0 ? 'none' : failures.length}`,
    ...failures.map(({ call, end }) => `${call.replaceAll('\t', ' ')}\n  ${end.replaceAll('\n', '\n  ')}`),
    '',
  ].join('\n');
}
