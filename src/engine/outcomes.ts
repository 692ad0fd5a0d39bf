import { assert } from '../base/assert.ts';
import type { Draws } from './sim/lab-context.ts';

/** More ways than these are not followed: each is a whole simulation. */
const WAYS_MAX = 5_000;

interface Choice {
  readonly chosen: number;
  /** Of each option; an option without a chance is never taken. */
  readonly chances: readonly number[];
}

/** Decides as a script says, then takes the first option that is possible, and notes every choice. */
class ScriptedDraws implements Draws {
  readonly choices: Choice[] = [];
  private readonly script: readonly number[];

  constructor(script: readonly number[]) {
    this.script = script;
  }

  chance(numerator: number): boolean {
    const yes = numerator / 0x8000_0000;
    return this.choose([yes, 1 - yes]) === 0;
  }

  pick(n: number): number {
    return this.choose(new Array<number>(n).fill(1 / n));
  }

  private choose(chances: readonly number[]): number {
    const scripted = this.script[this.choices.length];
    const chosen = scripted ?? chances.findIndex((chance) => chance > 0);
    assert(chosen >= 0 && chosen < chances.length, 'a choice is one of its options');
    this.choices.push({ chosen, chances });
    return chosen;
  }
}

/**
 * Follows every way that the draws of rules can go: `run` is repeated, each time from the same
 * beginning, with other draws, at most `waysMax` times. Returns every way's result with its exact probability.
 */
export function followAllWays<T>(
  run: (draws: Draws) => T,
  waysMax = WAYS_MAX,
): {
  readonly ways: readonly { result: T; probability: number }[];
  readonly incomplete: boolean;
} {
  const ways: { result: T; probability: number }[] = [];
  const open: (readonly number[])[] = [[]];
  while (open.length > 0 && ways.length < waysMax) {
    const script = open.pop() as readonly number[];
    const draws = new ScriptedDraws(script);
    const result = run(draws);
    const { choices } = draws;
    const probability = choices.reduce((product, { chosen, chances }) => product * (chances[chosen] as number), 1);
    ways.push({ result, probability });
    for (let i = script.length; i < choices.length; i++) {
      const { chosen, chances } = choices[i] as Choice;
      const before = choices.slice(0, i).map((choice) => choice.chosen);
      for (let other = chances.length - 1; other >= 0; other--) {
        if (other !== chosen && (chances[other] as number) > 0) open.push([...before, other]);
      }
    }
  }
  return { ways, incomplete: open.length > 0 };
}
