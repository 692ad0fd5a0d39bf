import { describe, expect, it } from 'vitest';
import { event } from '../../explain/example-events.ts';
import type { EventOf, RuleMatch } from '../../protocol/event.ts';
import { chainWalk, ruleMatch } from './example-walk.ts';
import { type ChainFrame, type MatchAt, walkTree } from './walk-tree.ts';

const at = (...matches: RuleMatch[]): MatchAt[] =>
  matches.map((match, index) => ({ index, event: event('rule', match) as EventOf<'rule'> }));

/** A tree as indented text. */
function text(frame: ChainFrame | undefined): string[] {
  if (!frame) return [];
  const lines = [`${' '.repeat(frame.depth)}${frame.chain}`];
  for (const entry of frame.entries) {
    const indent = ' '.repeat(frame.depth);
    if (entry.kind === 'unmatched') lines.push(`${indent}- ${entry.from}..${entry.to}`);
    else if (entry.kind === 'end') lines.push(`${indent}- ${entry.from}.. (${entry.count ?? '?'})`);
    else lines.push(`${indent}${entry.match.place.rule} ${entry.match.action}`, ...text(entry.child));
  }
  return lines;
}

describe('walkTree', () => {
  it('nests what was jumped into, and numbers what did not match before', () => {
    const matches = at(
      ruleMatch('PREROUTING', 1, 'jump A'),
      ruleMatch('A', 6, 'jump B', { depth: 1, unmatchedBefore: 5 }),
      ruleMatch('B', 2, 'dnat 10.0.0.1:80', { depth: 2, unmatchedBefore: 1 }),
    );
    expect(text(walkTree(matches, chainWalk('PREROUTING', 'nat', { verdict: 'dnat', rules: 9 })))).toEqual([
      'PREROUTING',
      '1 jump A',
      ' A',
      ' - 1..5',
      ' 6 jump B',
      '  B',
      '  - 1..1',
      '  2 dnat 10.0.0.1:80',
    ]);
  });

  it('goes back to the calling chain, and knows how many rules the one chain that ended had left', () => {
    const matches = at(
      ruleMatch('POSTROUTING', 1, 'jump A'),
      ruleMatch('A', 1, 'continue', { depth: 1, mark: { before: 0, after: 0x4000 } }),
      ruleMatch('A', 2, 'return', { depth: 1 }),
      ruleMatch('POSTROUTING', 3, 'jump B', { unmatchedBefore: 1 }),
    );
    expect(text(walkTree(matches, chainWalk('POSTROUTING', 'nat', { rules: 7 })))).toEqual([
      'POSTROUTING',
      '1 jump A',
      ' A',
      ' 1 continue',
      ' 2 return',
      '- 2..2',
      '3 jump B',
      ' B',
      ' - 1.. (?)',
      '- 4.. (?)',
    ]);
  });

  it('says of a jump into a chain that has nothing to say how many rules were looked at there', () => {
    const matches = at(ruleMatch('PREROUTING', 1, 'jump A'), ruleMatch('PREROUTING', 2, 'accept'));
    expect(text(walkTree(matches, chainWalk('PREROUTING', 'filter', { rules: 42 })))).toEqual([
      'PREROUTING',
      '1 jump A',
      ' A',
      ' - 1.. (40)',
      '2 accept',
    ]);
  });

  it('follows a goto, which does not come back', () => {
    const matches = at(ruleMatch('OUTPUT', 1, 'goto A'), ruleMatch('A', 1, 'drop'));
    expect(text(walkTree(matches, chainWalk('OUTPUT', 'filter', { verdict: 'drop', rules: 2 })))).toEqual([
      'OUTPUT',
      '1 goto A',
      ' A',
      ' 1 drop',
    ]);
  });

  it('is only its end where nothing matched', () => {
    expect(text(walkTree([], chainWalk('INPUT', 'filter', { rules: 3 })))).toEqual(['INPUT', '- 1.. (3)']);
  });
});
