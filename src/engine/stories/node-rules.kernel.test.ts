import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { scenarioNames, worldOf } from './stage.ts';

/** Runs a command in a network namespace of its own, so that no rule of this machine is touched. */
function inNamespace(script: string, input: string): string {
  const { stdout, stderr, status } = spawnSync('unshare', ['-n', 'sh', '-c', script], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

const withoutComments = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

/** A hash is printed in the order of its hashes, and begins them anywhere. */
const inAnyOrder = (sets: string): string[] =>
  sets
    .replace(/ initval 0x[0-9a-f]{8}$/gm, '')
    .split('\n')
    .sort();

describe.each(scenarioNames())('the rules of every node of %s', (name) => {
  it.each(['iptables', 'nftables'] as const)('load into the kernel, and it prints them as the lab does, in %s mode', (mode) => {
    const world = worldOf(name, mode);
    for (const node of world.nodeNames()) {
      const saved = world.rulesText(`node/${node}`, 'iptables-save') as string;
      expect(withoutComments(inNamespace('iptables-restore && iptables-save', saved))).toEqual(withoutComments(saved));
      const listed = world.rulesText(`node/${node}`, 'nft') as string;
      expect(inNamespace('nft -f - && nft list ruleset', listed)).toBe(listed);
    }
  });

  it('load into the kernel with their sets, and it prints both as the lab does, in ipvs mode', () => {
    const world = worldOf(name, 'ipvs');
    for (const node of world.nodeNames()) {
      const sets = world.rulesText(`node/${node}`, 'ipset') as string;
      // `-m ipvs` needs the module ip_vs, which not every kernel has.
      const saved = (world.rulesText(`node/${node}`, 'iptables-save') as string).replace(/^-A .* -m ipvs .*\n/gm, '');
      const script = `ipset restore <<'END' && iptables-restore && iptables-save && echo === && ipset save\n${sets}END\n`;
      const [rules = '', printed = ''] = inNamespace(script, saved).split('===\n');
      expect(withoutComments(rules)).toEqual(withoutComments(saved));
      expect(inAnyOrder(printed)).toEqual(inAnyOrder(sets));
    }
  });
});
