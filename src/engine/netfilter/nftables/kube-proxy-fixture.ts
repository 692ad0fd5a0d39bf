/** The lines of a dump in an order in which `nft -f` takes them: declarations, chains, then what refers to them. */
export function loadable(lines: readonly string[]): string {
  const rank = (line: string): number =>
    ['add table', 'add set', 'add map', 'add chain'].findIndex((verb) => line.startsWith(verb)) + 1 || 9;
  return `${lines.toSorted((a, b) => rank(a) - rank(b)).join('\n')}\n`;
}
