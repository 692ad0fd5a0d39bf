import type { ChainTexts } from '../netfilter/rows.ts';

/**
 * The rules of every chain of a dump, in the words of the dump: what `iptables-save` and `nft list ruleset` print.
 * It only finds them; whether they make sense the engine has said already.
 */
export function dumpChains(dumps: string): ChainTexts {
  const chains = new Map<string, string[]>();
  readIptables(dumps, chains);
  readNft(dumps, chains);
  return ({ framework, family, table, chain }) => {
    const rules = chains.get([framework, family, table, chain].join(' '));
    return rules ? { rules, total: rules.length } : 'gone';
  };
}

function readIptables(dumps: string, chains: Map<string, string[]>): void {
  let table: string | undefined;
  for (const line of dumps.split(/\r?\n/)) {
    table = line === 'COMMIT' ? undefined : (/^\*(\S+)/.exec(line)?.[1] ?? table);
    if (table === undefined) continue;
    const declared = /^:(\S+)/.exec(line)?.[1];
    if (declared !== undefined) chains.set(`iptables ip ${table} ${declared}`, []);
    // Rules of `iptables-save -c` begin with their counters.
    const rule = /^(?:\[\d+:\d+\] )?(-A (\S+).*)$/.exec(line.trimEnd());
    if (rule) chains.get(`iptables ip ${table} ${rule[2]}`)?.push(rule[1] as string);
  }
}

/** Lines of a chain that are no rules. */
const NO_RULE = /^(type \S+ hook |policy |comment |\}$)/;

function readNft(dumps: string, chains: Map<string, string[]>): void {
  let table: string | undefined;
  let rules: string[] | undefined;
  let begun = '';
  for (const raw of dumps.split(/\r?\n/)) {
    const line = raw.replace(/ # handle \d+\s*$/, '').trim();
    const opened = /^table (\S+) (\S+) \{/.exec(raw);
    if (opened) table = `nftables ${opened[1]} ${opened[2]}`;
    else if (raw.trimEnd() === '}') table = undefined;
    if (table === undefined) continue;
    const chain = /^chain (\S+) \{$/.exec(line)?.[1];
    if (chain !== undefined) {
      rules = [];
      chains.set(`${table} ${chain}`, rules);
    } else if (rules && begun === '' && NO_RULE.test(line)) {
      if (line === '}') rules = undefined;
    } else if (rules && line !== '') {
      // A set or map with many elements goes on over several lines.
      begun = begun === '' ? line : `${begun} ${line}`;
      if (begun.split('{').length === begun.split('}').length) {
        rules.push(begun);
        begun = '';
      }
    }
  }
}

/** The devices that a dump names, in the order in which it does. */
export function dumpDevices(dumps: string): readonly string[] {
  const named = [...dumps.matchAll(/^\d+: ([^:@\s]+)[:@]/gm), ...dumps.matchAll(/^\S.* dev (\S+)/gm)];
  return [...new Set(named.map((match) => match[1] as string))].filter((name) => name !== 'lo');
}
