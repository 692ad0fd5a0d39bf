import type { ChainIndex } from './chain-index.ts';
import type { Chain, ChainCounters, Rule } from './model.ts';
import type { MatchState, MatchStates } from './rule-matcher.ts';

/** A chain as its table keeps it. Nothing is allocated per rule until packets come. */
export class ChainState implements MatchStates {
  readonly name: string;
  policy: Chain['policy'];
  /** The array that was given, never written to. */
  rules: readonly Rule[];
  states: Map<number, MatchState> | undefined;
  index: ChainIndex | undefined;
  /** How many rules jump or go to it. */
  references = 0;
  /** Of which hooks its packets can be, as bits, and how deep in jumps it can be reached; at least, not exactly. */
  hooks = 0;
  depth = -1;
  policyPackets = 0;
  policyBytes = 0;
  private counted: Float64Array | undefined;

  constructor(name: string, policy: Chain['policy'], rules: readonly Rule[]) {
    this.name = name;
    this.policy = policy;
    this.rules = rules;
  }

  count(position: number, bytes: number): void {
    this.counted ??= new Float64Array(this.rules.length * 2);
    this.counted[position * 2] = (this.counted[position * 2] as number) + 1;
    this.counted[position * 2 + 1] = (this.counted[position * 2 + 1] as number) + bytes;
  }

  get counters(): ChainCounters {
    return { packets: this.policyPackets, bytes: this.policyBytes, rules: this.counted };
  }

  setCounters(counters: ChainCounters): void {
    this.policyPackets = counters.packets;
    this.policyBytes = counters.bytes;
    this.counted = undefined;
    if (counters.rules === undefined) return;
    this.counted = new Float64Array(this.rules.length * 2);
    for (let i = 0; i < counters.rules.length && i < this.counted.length; i++) this.counted[i] = counters.rules[i] as number;
  }

  /** Remembers rules and counters; what it returns puts them back. */
  snapshot(): () => void {
    const { rules, states, index, counted } = this;
    return () => {
      this.rules = rules;
      this.states = states;
      this.index = index;
      this.counted = counted;
    };
  }

  /** Other rules: they have counted nothing. */
  replace(rules: readonly Rule[]): void {
    this.rules = rules;
    this.states = undefined;
    this.index = undefined;
    this.counted = undefined;
  }

  /** One rule more or less, at a position: the others keep what they have counted. */
  splice(position: number, removed: 0 | 1, added: readonly Rule[]): void {
    const { counted, states } = this;
    const rules = [...this.rules];
    rules.splice(position, removed, ...added);
    this.replace(rules);
    const shift = added.length - removed;
    if (counted !== undefined) {
      const moved = new Float64Array(rules.length * 2);
      moved.set(counted.subarray(0, position * 2));
      moved.set(counted.subarray((position + removed) * 2), (position + added.length) * 2);
      this.counted = moved;
    }
    if (states !== undefined) {
      this.states = new Map();
      for (const [key, state] of states) {
        const at = Math.floor(key / MATCHES_MAX);
        if (at < position) this.states.set(key, state);
        else if (at >= position + removed) this.states.set(key + shift * MATCHES_MAX, state);
      }
    }
  }
}

/** Rules have fewer matches than this: it makes one key of a position and a match. */
export const MATCHES_MAX = 1024;
