import { compareScenario, type ProbeResult } from './compare.ts';
import { fixedSet } from './fixed-set.ts';
import { randomScenario } from './random-scenario.ts';
import type { ComparedScenario } from './scenario.ts';

/** Scenarios that are built side by side: most of the time one waits. */
const AT_ONCE = 3;

/** Which random scenarios belong to the whole run. */
const SEEDS_BY_DEFAULT: readonly [number, number] = [1, 200];

/**
 * Builds scenarios on this machine's kernel and compares what happens there with the engine. `seeds`: only the random
 * scenarios of these; without, the fixed set and random ones. Prints differences, and returns the counts.
 */
export async function compareWithKernel(
  root: string,
  seeds: readonly [number, number] | undefined,
  print: (text: string) => void,
): Promise<{ passed: number; failed: number }> {
  const [first, last] = seeds ?? SEEDS_BY_DEFAULT;
  const random = Array.from({ length: last - first + 1 }, (_, i) => randomScenario(first + i));
  const scenarios = seeds ? random : [...fixedSet(root), ...random];
  let passed = 0;
  let failed = 0;
  const waiting = [...scenarios];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      for (const { probe, difference } of await resultsOf(next)) {
        if (difference === undefined) passed++;
        else {
          failed++;
          print(`DIFFERS ${probe}\n${difference}\n`);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  print(`${scenarios.length} scenarios`);
  return { passed, failed };
}

async function resultsOf(scenario: ComparedScenario): Promise<ProbeResult[]> {
  try {
    return await compareScenario(scenario);
  } catch (error) {
    return [{ probe: scenario.name, difference: `  ${error instanceof Error ? error.message : String(error)}` }];
  }
}
