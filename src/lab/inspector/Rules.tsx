import { useEffect, useMemo, useState } from 'react';
import { bytes } from '../../explain/packet-text.ts';
import { chainPurpose } from '../../explain/rule-sentence.ts';
import type { RuleChainName } from '../../protocol/engine.ts';
import type { RuleChainView } from '../../protocol/view.ts';
import { RowList } from '../../widgets/RowList.tsx';
import { useLab } from '../stores/lab-store.ts';
import { chainKey, type RuleRow, ruleRows } from './rule-rows.ts';
import './rules.css';

/** A search reads all chains up to this number; beyond, only those that are open. */
const SEARCHED_MAX = 500;

/** Tables, chains and rules of one namespace with their counters, as they are now. */
export function Rules({ netns }: { readonly netns: string }) {
  const chains = useChains(netns);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [typed, setTyped] = useState('');
  const [current, setCurrent] = useState<string>();
  const search = typed.trim().toLowerCase();
  const wanted = useMemo(
    () => (chains ?? []).filter((chain) => open.has(chainKey(chain)) || (search !== '' && (chains?.length ?? 0) <= SEARCHED_MAX)),
    [chains, open, search],
  );
  const views = useChainViews(netns, wanted);
  const rows = useMemo(() => ruleRows({ chains: chains ?? [], views, open, search }), [chains, views, open, search]);
  if (!chains) return <p className="empty">Asking for the rules.</p>;
  if (chains.length === 0) return <p className="empty">No rules in this namespace. kube-proxy writes its own on every node.</p>;
  const toggle = (chain: RuleChainName): void =>
    setOpen((before) => {
      const after = new Set(before);
      if (!after.delete(chainKey(chain))) after.add(chainKey(chain));
      return after;
    });
  const goTo = (chain: RuleChainName): void => {
    setTyped('');
    setOpen((before) => new Set(before).add(chainKey(chain)));
    setCurrent(chainKey(chain));
  };
  return (
    <>
      <input
        className="field rules-search"
        type="search"
        placeholder="Search chains and rules"
        aria-label="Search chains and rules"
        data-testid="rules-search"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      {rows.length === 0 && <p className="empty">No chain and no rule contains that.</p>}
      <RowList
        rows={rows}
        current={current === undefined ? -1 : rows.findIndex((row) => row.key === current)}
        className="rules"
        label="Rules"
        testId="rules"
        render={(row) => <Row row={row} marked={row.key === current} onToggle={toggle} onGoTo={goTo} />}
      />
    </>
  );
}

/** Names of the chains, asked for again when something was recorded. */
function useChains(netns: string): readonly RuleChainName[] | undefined {
  const engine = useLab((s) => s.engine);
  const synced = useLab((s) => s.synced);
  const [chains, setChains] = useState<readonly RuleChainName[]>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: other chains come with what kube-proxy writes
  useEffect(() => {
    let wanted = true;
    engine?.ruleChains(netns).then(
      (answer) => wanted && setChains(answer),
      () => wanted && setChains([]),
    );
    return () => {
      wanted = false;
    };
  }, [engine, netns, synced]);
  return chains;
}

/** The wanted chains with their rules; counters are asked for again when something was recorded. */
function useChainViews(netns: string, wanted: readonly RuleChainName[]): ReadonlyMap<string, RuleChainView> {
  const engine = useLab((s) => s.engine);
  const length = useLab((s) => s.length);
  const [views, setViews] = useState<ReadonlyMap<string, RuleChainView>>(new Map());
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` says when counters may have moved
  useEffect(() => {
    let current = true;
    void Promise.all(wanted.map((chain) => engine?.ruleChain(netns, chain).catch(() => undefined))).then((answers) => {
      if (!current) return;
      setViews((before) => {
        const after = new Map(before);
        wanted.forEach((chain, i) => {
          const view = answers[i];
          if (view) after.set(chainKey(chain), view);
          else after.delete(chainKey(chain));
        });
        return after;
      });
    });
    return () => {
      current = false;
    };
  }, [engine, netns, wanted, length]);
  return views;
}

interface RowProps {
  readonly row: RuleRow;
  readonly marked: boolean;
  readonly onToggle: (chain: RuleChainName) => void;
  readonly onGoTo: (chain: RuleChainName) => void;
}

function Row({ row, marked, onToggle, onGoTo }: RowProps) {
  switch (row.kind) {
    case 'table':
      return (
        <h2 className="rules-table">
          <code>{row.title}</code> <span>{row.chains === 1 ? '1 chain' : `${row.chains} chains`}</span>
        </h2>
      );
    case 'chain':
      return (
        <button
          type="button"
          className={marked ? 'rules-chain rules-marked' : 'rules-chain'}
          aria-expanded={row.open}
          data-testid="rules-chain"
          onClick={() => onToggle(row.chain)}
        >
          <span aria-hidden="true">{row.open ? '▾' : '▸'}</span>
          <code>{row.chain.name}</code>
          <span className="rules-note">{chainNote(row)}</span>
        </button>
      );
    case 'rule': {
      const { target } = row;
      return (
        <div className="rules-rule" data-testid="rules-rule">
          <span className="rules-number">{row.number}</span>
          <code>{row.text.replace(/^-A \S+ /, '')}</code>
          <span className="rules-counters">
            {target && (
              <button type="button" className="rules-target" onClick={() => onGoTo(target)}>
                to {target.name}
              </button>
            )}
            {`${row.packets} pkts, ${bytes(row.bytes)}`}
          </span>
        </div>
      );
    }
    case 'note':
      return <p className="rules-rule rules-note">{row.text}</p>;
  }
}

function chainNote({ chain, view }: Extract<RuleRow, { kind: 'chain' }>): string {
  const base = view?.base;
  if (base) return `${base.hook}, priority ${base.priority}, policy ${base.policy.toUpperCase()}`;
  return chainPurpose(chain.name)?.replace(/^which /, '') ?? '';
}
