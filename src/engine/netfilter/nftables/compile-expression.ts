import { assert } from '../../../base/assert.ts';
import type { RuleHost, RulePacket, WalkCost } from '../evaluation.ts';
import { hasIntervals } from './element-order.ts';
import { type ElementStore, elementStore } from './element-store.ts';
import type { Atom, Element, Expression, SetReference, Value } from './model.ts';
import { readerOf } from './read-packet.ts';
import type { ElementData, RuleState, SetState } from './state.ts';
import { isVerdict, partsOf } from './value.ts';

/** What a rule has at hand while it looks at a packet. */
export interface Looking {
  readonly packet: RulePacket;
  readonly host: RuleHost;
  readonly cost: WalkCost;
  /** The last draw of a generator in this rule, and which other numbers would have come to the same. */
  draw: Draw | undefined;
}

export interface Draw {
  readonly of: number;
  readonly chosen: number;
  readonly offset: number;
  /** Undefined: only this very number. */
  sameAs: ((number: number) => boolean) | undefined;
}

/** The atoms of an expression, one for each component; undefined where it does not apply to the packet. */
export type Evaluation = (looking: Looking) => readonly Atom[] | undefined;

const one = (read: (looking: Looking) => Atom | undefined): Evaluation => {
  return (looking) => {
    const atom = read(looking);
    return atom === undefined ? undefined : [atom];
  };
};

export const atomsOf = (value: Value): readonly Atom[] =>
  partsOf(value).map((part) => {
    assert(part.type === 'atom', 'what a map yields is one value');
    return part.atom;
  });

export function compileExpression(expression: Expression, rule: RuleState): Evaluation {
  switch (expression.type) {
    case 'selector': {
      const read = readerOf(expression.selector);
      return one(({ packet, host }) => read(packet, host));
    }
    case 'concat': {
      const parts = expression.parts.map((part) => compileExpression(part, rule));
      return (looking) => {
        const key: Atom[] = [];
        for (const part of parts) {
          const atoms = part(looking);
          if (atoms === undefined) return undefined;
          for (const atom of atoms) key.push(atom);
        }
        return key;
      };
    }
    case 'numgen':
      return one(generator(expression));
    case 'bits': {
      const left = compileExpression(expression.left, rule);
      const { operator, right } = expression;
      return one((looking) => {
        const atom = left(looking)?.[0];
        if (atom === undefined) return undefined;
        const n = Number(atom);
        return (operator === 'and' ? n & right : operator === 'or' ? n | right : n ^ right) >>> 0;
      });
    }
    case 'value': {
      const atoms = atomsOf(expression.value);
      return () => atoms;
    }
    case 'map': {
      const look = compileLookup(expression.key, expression.map, rule);
      return (looking) => {
        const found = look(looking);
        return found?.value === undefined ? undefined : atomsOf(found.value);
      };
    }
  }
}

/** net/netfilter/nft_numgen.c: `inc` begins at 0 and belongs to the rule. */
function generator({ mode, mod, offset }: Extract<Expression, { type: 'numgen' }>): (looking: Looking) => number {
  let counter = mod - 1;
  return (looking) => {
    if (mode === 'inc') {
      counter = counter + 1 < mod ? counter + 1 : 0;
      return counter + offset;
    }
    const chosen = looking.host.pick(mod);
    looking.draw = { of: mod, chosen, offset, sameAs: undefined };
    return chosen + offset;
  };
}

export type Lookup = (looking: Looking) => ElementData | undefined;

const KEY_ALONE: ElementData = { verdict: undefined, target: undefined, value: undefined };

function anonymousStore(elements: readonly Element[], rule: RuleState): ElementStore<ElementData> {
  const components = elements[0] === undefined ? 1 : Math.max(...elements.map(({ key }) => partsOf(key).length));
  const store = elementStore<ElementData>(components, hasIntervals(elements));
  elements.forEach((element, sequence) => {
    store.add({ element, data: elementData(element, rule.chain.table.chains), expiresNs: Number.POSITIVE_INFINITY, sequence });
  });
  return store;
}

/** An element's data with the chain it names. */
export function elementData(element: Element, chains: RuleState['chain']['table']['chains']): ElementData {
  const { data } = element;
  if (data === undefined) return KEY_ALONE;
  if (!isVerdict(data)) return { verdict: undefined, target: undefined, value: data };
  if (!('chain' in data)) return { verdict: data, target: undefined, value: undefined };
  const target = chains.get(data.chain);
  assert(target !== undefined, `the chain ${data.chain} exists as long as an element names it`);
  return { verdict: data, target, value: undefined };
}

export function namedSet(name: string, rule: RuleState): SetState {
  const set = rule.chain.table.sets.get(name);
  assert(set !== undefined, `the set ${name} exists as long as a rule looks into it`);
  return set;
}

/** Looks a key up; counts the lookup if there is a key to look up. */
export function compileLookup(key: Expression, reference: SetReference, rule: RuleState): Lookup {
  const read = compileExpression(key, rule);
  const set = reference.type === 'named' ? namedSet(reference.name, rule) : undefined;
  const store = set?.store ?? (reference.type === 'anonymous' ? anonymousStore(reference.elements, rule) : undefined);
  assert(store !== undefined, 'a reference is to a named or an anonymous set');
  const drawn = key.type === 'numgen';
  return (looking) => {
    const atoms = read(looking);
    if (atoms === undefined) return undefined;
    looking.cost.lookups++;
    let found = store.lookup(atoms);
    while (set !== undefined && found !== undefined && found.expiresNs <= looking.host.nowNs) {
      set?.drop(found);
      found = store.lookup(atoms);
    }
    if (drawn && looking.draw) looking.draw.sameAs = (n) => store.lookup([n]) === found;
    return found?.data;
  };
}
