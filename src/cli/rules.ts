import type { Result } from '../base/result.ts';
import { compileCases, evaluateCases } from '../engine/index.ts';
import { type Arguments, oneOf, optional, required, UsageError } from './arguments.ts';
import { openWorld, readText } from './manifest-files.ts';

/** `rules`: what a node's kube-proxy and network plugin wrote, or what kube-proxy compiles for recorded cases. */
export function rulesText(args: Arguments): string {
  const cases = optional(args, 'cases');
  if (cases !== undefined) return JSON.stringify(unwrap(cases, compileCases(readJson(cases))));
  const world = openWorld(args);
  const node = required(args, 'node');
  const as =
    oneOf(args, 'as', ['iptables-save', 'nft', 'ipvsadm', 'ipset'] as const) ?? (world.proxyMode === 'nftables' ? 'nft' : 'iptables-save');
  const netns = world.namespaceOf(node.includes('/') ? node : `node/${node}`);
  const text = netns === undefined ? undefined : world.rulesText(netns, as);
  if (text === undefined)
    throw new UsageError(`rules: --node: there is no node ${JSON.stringify(node)}; nodes: ${world.nodeNames().slice(0, 8).join(', ')}`);
  if (text === '') process.stderr.write(`note: in mode ${world.proxyMode} nothing is there for ${as} to print\n`);
  return text;
}

/** `evaluate`: what becomes of the first packet of each flow of recorded cases. */
export function evaluateText(args: Arguments): string {
  const file = args.operands[0];
  if (file === undefined) throw new UsageError('evaluate: a file of cases is missing, as in: evaluate CASES.json');
  return JSON.stringify(unwrap(file, evaluateCases(readJson(file))));
}

function unwrap<T>(file: string, result: Result<T, string>): T {
  if (!result.ok) throw new UsageError(`${file}: ${result.error}`);
  return result.value;
}

function readJson(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file}: no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
