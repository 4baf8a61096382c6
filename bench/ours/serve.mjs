// Our end of the line protocol of side.mjs; peers/serve.py is the same for Python.
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const MILLISECONDS_PER_TICK = 10; // of /proc: the kernel's clock tick for user programs

/**
 * Answers requests until standard input ends.
 * @param prepare takes the options of the request; returns { run, ...said }: the work, and what to say of it. `run` may
 * return { ms } where it measures itself, { parts } in ms, and { usage: { cpuMs, peakRssMB } } where children work too
 */
export async function serve(prepare) {
  let run;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      if (request.prepare === undefined) answer = await measured(run, request.times);
      else {
        const baseRssMB = residentMB('self', 'VmRSS');
        ({ run, ...answer } = await prepare(request.prepare));
        answer = { baseRssMB, ...answer };
      }
    } catch (error) {
      answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

async function measured(run, times) {
  const [ms, parts] = [[], []];
  const cpuStart = process.cpuUsage();
  let usage;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    const result = await run();
    const wallMs = performance.now() - start;
    ms.push(result?.ms ?? wallMs);
    parts.push(result?.parts ?? {});
    usage = result?.usage;
  }
  const { user, system } = process.cpuUsage(cpuStart);
  return { ms, parts, ...(usage ?? { cpuMs: (user + system) / 1000, peakRssMB: residentMB('self', 'VmHWM') }) };
}

/** Processor time of this process and the children that live, in ms. */
export function treeCpuMs() {
  const { user, system } = process.cpuUsage();
  const ofChild = (pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return MILLISECONDS_PER_TICK * (Number(fields[11]) + Number(fields[12]));
  };
  return children().reduce((sum, pid) => sum + ofChild(pid), (user + system) / 1000);
}

/** The most memory that this process and the children that live have had, in MB; what they share counts for each. */
export function treePeakRssMB() {
  return ['self', ...children()].reduce((sum, pid) => sum + residentMB(pid, 'VmHWM'), 0);
}

function residentMB(pid, field) {
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

function children() {
  const tasks = readdirSync('/proc/self/task');
  return tasks.flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean));
}
