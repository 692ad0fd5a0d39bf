import type { IpAddress } from '../../../protocol/address.ts';
import { isIpv4 } from '../../../protocol/address.ts';
import type { RulePacket } from '../evaluation.ts';
import type { Rule } from './model.ts';

/** A rule moves to another field when so many rules already have its value in this one. */
const BUCKET_MAX = 16;

/**
 * Which rules of a long chain can match a packet at all. Linux looks at one rule after the other; only the
 * count of those is needed here, and it follows from the positions. Each rule is in one list: by its
 * destination when that is a whole address, by its destination port, by its source, or with the rest.
 * The lists are linked through `next` and ascend.
 */
export class ChainIndex {
  private readonly next: Int32Array;
  private readonly end: number;
  private rest: number;
  private readonly byDestination: FieldTable;
  private readonly byPort: FieldTable;
  private readonly bySource: FieldTable;

  constructor(rules: readonly Rule[]) {
    const n = rules.length;
    this.end = n;
    this.rest = n;
    this.next = new Int32Array(n);
    this.byDestination = new FieldTable(rules, destinationOf);
    this.byPort = new FieldTable(rules, portOf);
    this.bySource = new FieldTable(rules, sourceOf);
    for (let position = n - 1; position >= 0; position--) this.insert(rules[position] as Rule, position);
  }

  private insert(rule: Rule, position: number): void {
    const destination = destinationOf(rule);
    if (destination !== undefined && this.byDestination.offer(destination, position, this.next, BUCKET_MAX)) return;
    const port = portOf(rule);
    if (port !== undefined && this.byPort.offer(port, position, this.next, BUCKET_MAX)) return;
    const source = sourceOf(rule);
    if (source !== undefined && this.bySource.offer(source, position, this.next, BUCKET_MAX)) return;
    if (destination !== undefined) this.byDestination.offer(destination, position, this.next, Number.POSITIVE_INFINITY);
    else if (port !== undefined) this.byPort.offer(port, position, this.next, Number.POSITIVE_INFINITY);
    else if (source !== undefined) this.bySource.offer(source, position, this.next, Number.POSITIVE_INFINITY);
    else {
      this.next[position] = this.rest;
      this.rest = position;
    }
  }

  /** Positions that can match this packet begin here; `end` of each list is the length of the chain. */
  cursor(packet: RulePacket): ChainCursor {
    return new ChainCursor(
      this.next,
      this.end,
      this.rest,
      this.byDestination.first(packet.dst),
      packet.dstPort === undefined ? this.end : this.byPort.first(packet.dstPort),
      this.bySource.first(packet.src),
    );
  }
}

/** Merges the four lists in the order of the chain. */
export class ChainCursor {
  private readonly links: Int32Array;
  private readonly end: number;
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  constructor(links: Int32Array, end: number, a: number, b: number, c: number, d: number) {
    this.links = links;
    this.end = end;
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }

  /** The next position; the length of the chain when there is none. */
  take(): number {
    const { a, b, c, d, links } = this;
    const position = Math.min(a, b, c, d);
    if (position === this.end) return position;
    const following = links[position] as number;
    if (position === a) this.a = following;
    else if (position === b) this.b = following;
    else if (position === c) this.c = following;
    else this.d = following;
    return position;
  }
}

type Field = IpAddress | number;

/** A hash table with open addressing from a field's value to the first position that has it. Keys are read from the rules. */
class FieldTable {
  private readonly rules: readonly Rule[];
  private readonly fieldOf: (rule: Rule) => Field | undefined;
  private heads: Int32Array | undefined;
  private counts: Int32Array | undefined;

  constructor(rules: readonly Rule[], fieldOf: (rule: Rule) => Field | undefined) {
    this.rules = rules;
    this.fieldOf = fieldOf;
  }

  /** Puts the position at the head of its value's list, unless that already has `max`. */
  offer(value: Field, position: number, next: Int32Array, max: number): boolean {
    const heads = this.allocated();
    const counts = this.counts as Int32Array;
    const slot = this.slot(heads, value);
    if ((counts[slot] as number) >= max) return false;
    const head = heads[slot] as number;
    next[position] = head < 0 ? this.rules.length : head;
    heads[slot] = position;
    counts[slot] = (counts[slot] as number) + 1;
    return true;
  }

  first(value: Field): number {
    if (this.heads === undefined) return this.rules.length;
    const head = this.heads[this.slot(this.heads, value)] as number;
    return head < 0 ? this.rules.length : head;
  }

  private allocated(): Int32Array {
    if (this.heads !== undefined) return this.heads;
    const size = 2 ** Math.ceil(Math.log2(this.rules.length * 2));
    this.counts = new Int32Array(size);
    this.heads = new Int32Array(size).fill(-1);
    return this.heads;
  }

  /** Where the value is, or would be put: the table is never more than half full. */
  private slot(heads: Int32Array, value: Field): number {
    const mask = heads.length - 1;
    let slot = hash(value) & mask;
    for (;;) {
      const head = heads[slot] as number;
      if (head < 0 || this.fieldOf(this.rules[head] as Rule) === value) return slot;
      slot = (slot + 1) & mask;
    }
  }
}

function hash(value: Field): number {
  let x = typeof value === 'bigint' ? Number((value ^ (value >> 64n)) & 0xffffffffn) : value;
  x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  return x ^ (x >>> 13);
}

function destinationOf(rule: Rule): IpAddress | undefined {
  const { destination } = rule;
  if (destination === undefined || destination.negated) return undefined;
  const { address, length } = destination.value;
  return length === (isIpv4(address) ? 32 : 128) ? address : undefined;
}

function sourceOf(rule: Rule): IpAddress | undefined {
  const { source } = rule;
  if (source === undefined || source.negated) return undefined;
  const { address, length } = source.value;
  return length === (isIpv4(address) ? 32 : 128) ? address : undefined;
}

/**
 * The one destination port that a rule wants. Only as long as no match before it does something by being asked:
 * Linux asks in the order written, so a limit in front of the port is charged for packets to other ports.
 */
function portOf(rule: Rule): number | undefined {
  for (const match of rule.matches) {
    switch (match.type) {
      case 'tcp':
      case 'udp':
      case 'sctp': {
        const { destinationPort } = match;
        if (destinationPort !== undefined && !destinationPort.negated && destinationPort.value.first === destinationPort.value.last)
          return destinationPort.value.first;
        break;
      }
      case 'statistic':
      case 'limit':
      case 'recent':
      case 'set':
      case 'nfacct':
        return undefined;
      default:
    }
  }
  return undefined;
}
