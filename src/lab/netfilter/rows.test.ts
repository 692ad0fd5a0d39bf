import { describe, expect, it } from 'vitest';
import { exampleWalk } from './example-walk.ts';
import { connectionOf, passAt, passesOf, rewritesOf } from './passes.ts';
import { currentRow, rowsOf, shortFolds, stopsOf, totalOf } from './rows.ts';

const events = exampleWalk();
const passes = passesOf(events, 1);
const [first, back] = passes as [(typeof passes)[0], (typeof passes)[0]];
const DROPPED = { reason: 'rejectedByRule', detail: undefined };
const closed = { folds: new Set<string>(), texts: () => undefined };

describe('passesOf', () => {
  it('has one for each packet in a namespace where netfilter had a part', () => {
    expect(passes.map((p) => p.packet)).toEqual([1, 2]);
    expect(passesOf(events, 2)).toEqual([]);
  });
});

describe('passAt', () => {
  it('follows the playhead, and before everything shows what comes first', () => {
    expect(passAt(passes, 0)).toBe(first);
    expect(passAt(passes, 8)).toBe(first);
    expect(passAt(passes, events.length)).toBe(back);
  });
});

describe('connectionOf', () => {
  it('tells the first packet from the later ones', () => {
    expect(connectionOf(events, first)).toMatchObject({ state: 'new', direction: 'original' });
    expect(connectionOf(events, back)).toMatchObject({ state: 'known', direction: 'reply' });
  });
});

describe('connectionOf a packet that was lost', () => {
  it('says that its entry was never confirmed', () => {
    const lost = events.map((e) =>
      e.type === 'conntrack' && e.data.action === 'confirmed' ? { ...e, type: 'drop', data: DROPPED } : e,
    ) as typeof events;
    const pass = passesOf(lost, 1)[0] as typeof first;
    expect(connectionOf(lost, pass).lost).toBe(true);
    expect(connectionOf(events, first).lost).toBe(false);
  });
});

describe('rowsOf', () => {
  const rows = rowsOf(events, first, closed);

  it('shows hooks, chains and rules in the order in which they were passed', () => {
    expect(rows.map((r) => r.kind).slice(0, 13)).toEqual([
      'hook',
      'conntrack',
      'quiet',
      'chain',
      'rule',
      'chain',
      'fold',
      'rule',
      'chain',
      'fold',
      'rule',
      'chain',
      'fold',
    ]);
    expect(rows.filter((r) => r.kind === 'hook').map((r) => r.event.data.hook)).toEqual(['PREROUTING', 'FORWARD', 'POSTROUTING']);
  });

  it('adds up what the packet cost', () => {
    expect(totalOf(rows)).toEqual({ rules: 20, matched: 7, lookups: 0 });
  });

  it('opens a fold with the rules that the engine gives, and says what is not there', () => {
    const fold = rows.find((r) => r.kind === 'fold');
    const folds = new Set([fold?.key ?? '']);
    const texts = { rules: ['a', 'b', 'c'], total: 6 };
    const opened = rowsOf(events, first, { folds, texts: (frame) => (frame.chain === 'KUBE-SERVICES' ? texts : undefined) });
    expect(opened.flatMap((r) => (r.kind === 'folded' ? [r.text] : r.kind === 'note' ? [r.text] : []))).toEqual([
      'a',
      'b',
      'c',
      'rules 4 to 5 are not listed',
    ]);
    const gone = rowsOf(events, first, { folds, texts: () => 'gone' });
    expect(gone.find((r) => r.kind === 'note')).toMatchObject({ text: expect.stringContaining('replaced') });
  });

  it('shows a short run as it is, with the reason where the packet tells it', () => {
    const texts = { rules: ['-A KUBE-SEP-X -s 10.244.2.7/32 -j KUBE-MARK-MASQ', '-A KUBE-SEP-X -p tcp -j DNAT'], total: 2 };
    const shown = rowsOf(events, first, { ...closed, texts: (frame) => (frame.chain.startsWith('KUBE-SEP') ? texts : undefined) });
    expect(shown.filter((r) => r.kind === 'folded')).toMatchObject([{ number: 1, why: 'source differs' }]);
    expect(shortFolds(rows).map((frame) => frame.chain)).toContain('KUBE-SEP-QZK2WPE3HOJ4WBYD');
    expect(shortFolds(rows).map((frame) => frame.chain)).not.toContain('KUBE-SERVICES');
  });

  it('counts the rest of a chain as soon as the chain is known', () => {
    const text = { rules: ['-A X -j Y'], total: 1 };
    const known = rowsOf(events, first, { ...closed, texts: () => text });
    expect(rows.filter((r) => r.kind === 'fold' && r.count === undefined).length).toBeGreaterThan(0);
    expect(known.filter((r) => r.kind === 'fold' && r.count === undefined)).toEqual([]);
  });

  it('says of a later packet that the nat table is not asked', () => {
    const later = rowsOf(events, back, closed);
    expect(later.map((r) => r.kind)).toEqual(['hook', 'conntrack', 'natSkipped', 'hook', 'nat']);
    expect(rows.some((r) => r.kind === 'natSkipped')).toBe(false);
  });

  it('has every key once', () => {
    expect(new Set(rows.map((r) => r.key)).size).toBe(rows.length);
  });
});

describe('currentRow', () => {
  it('is the row of the last event that has happened', () => {
    const rows = rowsOf(events, first, closed);
    expect(currentRow(rows, 0)).toBe(-1);
    events.forEach((event, index) => {
      if (event.type !== 'rule' || event.packet !== 1) return;
      expect(rows[currentRow(rows, index + 1)]).toMatchObject({ kind: 'rule', index });
    });
  });
});

describe('stopsOf', () => {
  it('is the way through the node', () => {
    expect(stopsOf(events, first).map((s) => `${s.name} ${s.note} ${s.tone}`)).toEqual([
      'cni0 in plain',
      'PREROUTING 12 rules nat',
      'route via eth0 plain',
      'FORWARD 5 rules plain',
      'POSTROUTING 3 rules plain',
      'eth0 out plain',
    ]);
  });
});

describe('rewritesOf', () => {
  it('has the undoing of a reply', () => {
    expect(rewritesOf(events, back)).toHaveLength(1);
  });
});
