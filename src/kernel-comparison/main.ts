import { type PlannedScenario, type ProbeResult, planScenario } from './compare.ts';
import { fixedSet, ipvsSet } from './fixed-set.ts';
import { type Job, type Printed, runHere } from './machine.ts';
import { randomScenario } from './random-scenario.ts';
import type { ComparedScenario } from './scenario.ts';

/** Random scenarios in which the engine once went another way than the kernel; with the fixed set they are always compared. */
const REGRESSIONS: readonly number[] = [40, 68, 91, 92, 140, 143, 187, 199];

/** Scenarios that are built side by side: most of the time one waits. */
const AT_ONCE = 3;

/** A machine that is started for some jobs, and carries them all out; an answer may be shorter than its job when it did not get that far. */
export type RunElsewhere = (jobs: readonly Job[]) => Promise<readonly (readonly Printed[])[]>;

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/**
 * Builds scenarios on this machine's kernel and compares what happens there with the engine: the random ones of
 * `seeds`, and with `fixed` the fixed set. Prints differences, and returns the counts.
 */
export async function compareHere(
  root: string,
  { fixed, seeds: [first, last] }: { readonly fixed: boolean; readonly seeds: readonly [number, number] },
  print: (text: string) => void,
): Promise<Counts> {
  const seeds = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  const random = [...seeds, ...(fixed ? REGRESSIONS.filter((seed) => seed < first || seed > last) : [])].map(randomScenario);
  const scenarios = fixed ? [...fixedSet(root), ...random] : random;
  const counts = { passed: 0, failed: 0 };
  const waiting = [...scenarios];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) count(counts, await resultsHere(next), print);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  print(`${scenarios.length} scenarios on this machine's kernel`);
  return counts;
}

/** The scenarios of IPVS mode, on a machine whose kernel has it. */
export async function compareIpvs(root: string, runElsewhere: RunElsewhere, print: (text: string) => void): Promise<Counts> {
  const scenarios = ipvsSet(root);
  const planned = scenarios.map(planScenario);
  const printed = await runElsewhere(planned.map(({ job }) => job));
  const counts = { passed: 0, failed: 0 };
  for (const [i, { judge }] of planned.entries()) count(counts, judge(printed[i] ?? []), print);
  print(`${scenarios.length} scenarios of IPVS mode on the virtual machine's kernel`);
  return counts;
}

function count(counts: { passed: number; failed: number }, results: readonly ProbeResult[], print: (text: string) => void): void {
  for (const { probe, difference } of results) {
    if (difference === undefined) counts.passed++;
    else {
      counts.failed++;
      print(`DIFFERS ${probe}\n${difference}\n`);
    }
  }
}

async function resultsHere(scenario: ComparedScenario): Promise<ProbeResult[]> {
  try {
    const planned: PlannedScenario = planScenario(scenario);
    return planned.judge(await runHere(planned.job));
  } catch (error) {
    return [{ probe: scenario.name, difference: `  ${error instanceof Error ? error.message : String(error)}` }];
  }
}
