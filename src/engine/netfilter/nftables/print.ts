import { setsInOrder } from './commands-of-table.ts';
import { elementsPerLine, fieldOf, formatDuration } from './data-type.ts';
import { listingOrder } from './element-order.ts';
import type { Chain, SetDefinition, Table } from './model.ts';
import { elementText, ruleText } from './print-rule.ts';
import { priorityText } from './priority.ts';

/** Tables as `nft list ruleset` prints them (nftables 1.0.6, src/rule.c). */
export const printRuleset = (tables: readonly Table[]): string => tables.map(printTable).join('');

/** One table as `nft list table` prints it. */
export function printTable(table: Table): string {
  const blocks = [...setsInOrder(table).map((set) => setLines(set)), ...table.chains.map((chain) => chainLines(chain, table))];
  const comment = table.comment === undefined ? [] : [`\tcomment "${table.comment}"`];
  // A blank line parts the objects; the comment belongs to the table and is followed by none.
  const body = blocks.flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]));
  return `${[`table ${table.family} ${table.name} {`, ...comment, ...body, '}'].join('\n')}\n`;
}

const NEW_LINE_OF_ELEMENTS = ',\n\t\t\t     ';

function setLines(set: SetDefinition): string[] {
  const data = set.data === undefined ? '' : ` : ${set.data.join(' . ')}`;
  const lines = [`\t${set.data === undefined ? 'set' : 'map'} ${set.name} {`, `\t\ttype ${set.key.join(' . ')}${data}`];
  if (set.size !== undefined) lines.push(`\t\tsize ${set.size}`);
  const flags = shownFlags(set);
  if (flags.length > 0) lines.push(`\t\tflags ${flags.join(',')}`);
  if (set.autoMerge) lines.push('\t\tauto-merge');
  if (set.timeoutSeconds !== undefined) lines.push(`\t\ttimeout ${formatDuration(set.timeoutSeconds)}`);
  if (set.gcIntervalSeconds !== undefined) lines.push(`\t\tgc-interval ${formatDuration(set.gcIntervalSeconds)}`);
  if (set.comment !== undefined) lines.push(`\t\tcomment "${set.comment}"`);
  if (set.elements.length > 0) lines.push(`\t\telements = { ${elementsText(set)} }`);
  lines.push('\t}');
  return lines;
}

/** In nft's own order; a timeout alone goes without saying where the set has one for all elements. */
function shownFlags(set: SetDefinition): readonly string[] {
  const flags = (['constant', 'dynamic', 'interval', 'timeout'] as const).filter((flag) => set.flags.includes(flag));
  return flags.length === 1 && flags[0] === 'timeout' && set.timeoutSeconds !== undefined ? [] : flags;
}

function elementsText(set: SetDefinition): string {
  const fields = set.key.map(fieldOf);
  const perLine = elementsPerLine(set.key);
  let text = '';
  let inLine = 0;
  for (const element of listingOrder(set.elements, fields, set.flags.includes('interval'))) {
    if (text !== '') text += inLine < perLine ? ', ' : NEW_LINE_OF_ELEMENTS;
    if (inLine >= perLine) inLine = 0;
    text += elementText(element, fields, set.data);
    inLine++;
  }
  return text;
}

function chainLines(chain: Chain, table: Table): string[] {
  const lines = [`\tchain ${chain.name} {`];
  if (chain.comment !== undefined) lines.push(`\t\tcomment "${chain.comment}"`);
  if (chain.base) {
    const { type, hook, priority, policy } = chain.base;
    lines.push(`\t\ttype ${type} hook ${hook.toLowerCase()} priority ${priorityText(priority, hook)}; policy ${policy};`);
  }
  for (const rule of chain.rules) lines.push(`\t\t${ruleText(rule, table)}`);
  lines.push('\t}');
  return lines;
}
