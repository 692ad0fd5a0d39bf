import type { Command, SetDefinition, Table, Transaction } from './model.ts';

/** The commands that make a table: chains before what refers to them, as nft orders those of a `table { … }` block (src/rule.c, nft_cmd_expand). */
export function commandsOf(table: Table): Transaction {
  const commands: Command[] = [{ type: 'addTable', family: table.family, table: table.name, comment: table.comment }];
  for (const { name, base, comment } of table.chains) commands.push({ type: 'addChain', chain: name, base, comment });
  for (const definition of setsInOrder(table)) {
    commands.push({ type: definition.data === undefined ? 'addSet' : 'addMap', definition });
  }
  for (const { name, rules } of table.chains) for (const rule of rules) commands.push({ type: 'addRule', chain: name, rule });
  return { family: table.family, table: table.name, commands };
}

/** Sets and maps are of one kind to the kernel and listed as they were made. */
export function setsInOrder(table: Table): readonly SetDefinition[] {
  const all = [...table.sets, ...table.maps];
  if (table.setOrder === undefined) return all;
  const place = new Map(table.setOrder.map((name, i) => [name, i]));
  return all.toSorted((a, b) => (place.get(a.name) ?? all.length) - (place.get(b.name) ?? all.length));
}
