import { err, ok, type Result } from '../../../base/result.ts';
import type { BaseChain } from '../evaluation.ts';
import type { CommandProblem } from './command-problem.ts';
import { commandText } from './command-text.ts';
import { commandsOf } from './commands-of-table.ts';
import type { Command, DataType, Family, Table, Transaction } from './model.ts';
import { recomputeReach } from './reach.ts';
import { inOrder, type TableState } from './state.ts';
import { Transactor } from './transactor.ts';
import { NftBaseChain } from './walk.ts';

/** Why a transaction had no effect. */
export interface TransactionError {
  /** Which of the transactions, and which of its commands; both from 0. */
  readonly transaction: number;
  readonly command: number;
  /** The command as `nft` would be told it, and what is wrong with it. */
  readonly message: string;
}

/** The nftables of one network namespace. */
export class NftRuleset {
  private readonly tablesByKey = new Map<string, TableState>();
  private bases: readonly BaseChain[] | undefined;

  /**
   * Carries the commands of all transactions out, or none of them: what `nft -f` does with a file. Costs
   * as much as there are commands, however large the ruleset is. `nowNs`: when timeouts begin.
   */
  apply(transactions: readonly Transaction[], nowNs: number): Result<undefined, TransactionError> {
    const transactor = new Transactor(this.tablesByKey, nowNs);
    this.bases = undefined;
    for (const [at, transaction] of transactions.entries()) {
      for (const [command, what] of transaction.commands.entries()) {
        const problem: CommandProblem | undefined = transactor.apply(transaction, what);
        if (problem === undefined) continue;
        transactor.undo();
        for (const table of this.tablesByKey.values()) recomputeReach(table);
        const text = commandText(transaction, what, keyOf(this.tablesByKey.get(`${transaction.family} ${transaction.table}`), what));
        return err({ transaction: at, command, message: `${text}: ${problem}` });
      }
    }
    return ok(undefined);
  }

  /** Adds whole tables. */
  load(tables: readonly Table[], nowNs: number): Result<undefined, TransactionError> {
    return this.apply(tables.map(commandsOf), nowNs);
  }

  /** Of all tables, in the order in which they were registered. The same array until something changes. */
  baseChains(): readonly BaseChain[] {
    this.bases ??= [...this.tablesByKey.values()].flatMap((table) =>
      inOrder(table.bases).flatMap((chain) => (chain.base ? [new NftBaseChain(chain, chain.base)] : [])),
    );
    return this.bases;
  }

  /** All tables as data, with counters and timeouts as they are at this time. */
  tables(nowNs: number): readonly Table[] {
    return [...this.tablesByKey.values()].map((table) => listed(table, nowNs));
  }

  table(family: Family, name: string, nowNs: number): Table | undefined {
    const table = this.tablesByKey.get(`${family} ${name}`);
    return table && listed(table, nowNs);
  }
}

function listed(table: TableState, nowNs: number): Table {
  const sets = inOrder(table.sets.values());
  return {
    family: table.family,
    name: table.name,
    comment: table.comment,
    chains: inOrder(table.chains.values()).map(({ name, base, comment, rules }) => ({
      name,
      base,
      comment,
      rules: rules.map(({ current }) => current),
    })),
    sets: sets.filter(({ isMap }) => !isMap).map((set) => set.listed(nowNs)),
    maps: sets.filter(({ isMap }) => isMap).map((set) => set.listed(nowNs)),
    setOrder: sets.map(({ name }) => name),
  };
}

/** The types of the elements that a command is about. */
function keyOf(table: TableState | undefined, command: Command): readonly DataType[] {
  if (command.type !== 'addElement' && command.type !== 'deleteElement') return [];
  return table?.sets.get(command.set)?.definition.key ?? [];
}
