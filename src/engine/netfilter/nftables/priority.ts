import type { HookName } from '../../../protocol/event.ts';

/*
 * Priorities by name (nftables src/rule.c, std_prio_lookup; include/uapi/linux/netfilter_ipv4.h). A listing
 * names a priority that is at most 10 away from a named one, if that name is valid for the hook.
 */

interface NamedPriority {
  readonly name: string;
  readonly priority: number;
  readonly hook: HookName | undefined;
}

const NAMED: readonly NamedPriority[] = [
  { name: 'raw', priority: -300, hook: undefined },
  { name: 'mangle', priority: -150, hook: undefined },
  { name: 'dstnat', priority: -100, hook: 'PREROUTING' },
  { name: 'filter', priority: 0, hook: undefined },
  { name: 'security', priority: 50, hook: undefined },
  { name: 'srcnat', priority: 100, hook: 'POSTROUTING' },
];

const REACH = 10;

export function priorityText(priority: number, hook: HookName): string {
  const near = NAMED.find((named) => Math.abs(priority - named.priority) <= REACH && (named.hook === undefined || named.hook === hook));
  if (near === undefined) return String(priority);
  const offset = priority - near.priority;
  if (offset === 0) return near.name;
  return `${near.name} ${offset > 0 ? '+' : '-'} ${Math.abs(offset)}`;
}

/** The priority that words such as `-100`, `filter` or `dstnat - 5` name; undefined where the hook has no such name. */
export function parsePriority(words: readonly string[], hook: HookName): number | undefined {
  const [base = '', sign, offset] = words;
  const named = NAMED.find(({ name, hook: only }) => name === base && (only === undefined || only === hook));
  const start = named?.priority ?? (/^[+-]?\d+$/.test(base) ? Number(base) : undefined);
  if (start === undefined || words.length === 1) return start;
  if (words.length !== 3 || named === undefined || !/^\d+$/.test(offset ?? '')) return undefined;
  return sign === '+' ? start + Number(offset) : sign === '-' ? start - Number(offset) : undefined;
}
