import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ModeComparison } from '../../protocol/engine.ts';
import { LabEngine } from '../../worker/lab-engine.ts';
import { alignRuns } from './align.ts';
import { costOf, eventsOf, type Which } from './packets.ts';
import { type Step, stepsOf } from './steps.ts';
import { summaryOf } from './summary.ts';

type Known = Extract<ModeComparison, { known: true }>;

/** A ready-made scenario's first traffic, in every mode. */
async function compared(name: string, index = 0): Promise<Known['runs']> {
  const text = readFileSync(new URL(`../../../public/scenarios/${name}.yaml`, import.meta.url), 'utf8');
  const engine = new LabEngine();
  const loaded = await engine.load([{ name: 'a.yaml', text }]);
  const send = loaded.loaded ? loaded.topology.traffic[index] : undefined;
  if (!send) throw new Error(`${name} sends nothing`);
  const answer = await engine.compareModes({ type: 'send', ...send });
  if (!answer.known) throw new Error(answer.reason);
  return answer.runs;
}

type Run = Known['runs'][number];
const ofRun = (run: Run | undefined, which: Which): readonly Step[] =>
  run ? stepsOf(eventsOf(run.events, which), run.outcome.endpoint) : [];
const steps = (runs: Known['runs'], mode: string, which: Which = 'first'): readonly Step[] =>
  ofRun(
    runs.find((run) => run.mode === mode),
    which,
  );
const at = (all: readonly Step[], label: string): Step | undefined => all.find((step) => step.label === label);

describe('a connection to a ClusterIP', () => {
  it('stops in the pods, and on the nodes at every hook', async () => {
    const runs = await compared('clusterip');
    for (const mode of ['iptables', 'nftables']) {
      const first = steps(runs, mode);
      expect(first.map((step) => step.label)).toEqual([
        'pod default/client',
        'PREROUTING',
        'route',
        'FORWARD',
        'POSTROUTING',
        'PREROUTING',
        'route',
        'FORWARD',
        'POSTROUTING',
        expect.stringMatching(/^pod default\/web/),
      ]);
      expect(at(first, 'PREROUTING')).toMatchObject({
        title: 'An endpoint is chosen; DNAT',
        detail: expect.stringMatching(/^DNAT 10\.96\.0\.20:80 -> 10\.244\.2\.\d:80$/),
        chooses: true,
        tone: 'rewrite',
      });
      expect(first.at(-1)?.title).toMatch(/^SYN delivered to nginx/);
      expect(summaryOf(first)).toMatchObject({ choice: expect.stringMatching(/^PREROUTING, /), masquerade: 'not needed' });
      expect(costOf(eventsOf(runs.find((run) => run.mode === mode)?.events ?? [], 'first')).rules).toBeGreaterThan(5);
    }
    expect(at(steps(runs, 'iptables'), 'PREROUTING')?.where).toMatch(/^nat KUBE-SVC-\w+, rule \d, then nat KUBE-SEP-/);
    expect(at(steps(runs, 'nftables'), 'PREROUTING')?.where).toMatch(/kube-proxy service-/);
  });

  it('is not chosen for again: later packets and replies are conntrack’s', async () => {
    const runs = await compared('clusterip');
    const later = steps(runs, 'iptables', 'later');
    expect(at(later, 'PREROUTING')).toMatchObject({ title: expect.stringContaining('conntrack repeats the DNAT'), chooses: false });
    const reply = steps(runs, 'iptables', 'reply');
    expect(reply[0]?.label).toMatch(/^pod default\/web/);
    expect(reply.some((step) => step.tone === 'back' && step.title === 'conntrack translates back')).toBe(true);
    const cost = (which: Which): number => costOf(eventsOf(runs[0]?.events ?? [], which)).rules;
    expect(cost('later')).toBeLessThan(cost('first'));
  });

  it('is aligned hook by hook; what differs is where it is chosen', async () => {
    const runs = (await compared('clusterip')).filter((run) => run.mode !== 'ipvs');
    const rows = alignRuns(runs.map((run) => ofRun(run, 'first')));
    expect(rows).toHaveLength(10);
    expect(rows.filter((row) => row.difference === 'differs').map((row) => row.label)).toEqual(['PREROUTING']);
    expect(rows.filter((row) => row.difference === 'same').length).toBeGreaterThan(2);
  });
});

it('IPVS mode keeps the address up to INPUT, where a server is scheduled, and sends it out by OUTPUT', async () => {
  const runs = await compared('clusterip');
  const first = steps(runs, 'ipvs');
  expect(first.map((step) => step.label).slice(0, 7)).toEqual([
    'pod default/client',
    'PREROUTING',
    'route',
    'INPUT',
    'route',
    'OUTPUT',
    'POSTROUTING',
  ]);
  expect(at(first, 'PREROUTING')).toMatchObject({ title: 'Passes unchanged', tone: 'quiet' });
  expect(at(first, 'INPUT')).toMatchObject({ title: 'IPVS schedules (rr); DNAT', tone: 'rewrite', chooses: true });
  expect(summaryOf(first).choice).toBe('INPUT, ip_vs, scheduler rr');
  expect(steps(runs, 'ipvs', 'later').find((step) => step.label === 'INPUT')?.title).toBe('IPVS knows the connection; DNAT');
  expect(steps(runs, 'ipvs', 'reply').some((step) => step.title === 'IPVS puts the virtual address back')).toBe(true);
  const rows = alignRuns(runs.map((run) => ofRun(run, 'first')));
  const labels = rows.filter((row) => row.cells.some((cell) => !cell)).map((row) => row.label);
  expect(labels).toEqual(['FORWARD', 'INPUT', 'route', 'OUTPUT']);
});

it('a node port is marked where it comes in, and masqueraded where it goes out', async () => {
  const runs = await compared('nodeport');
  const first = steps(runs, 'iptables');
  expect(at(first, 'PREROUTING')).toMatchObject({ title: expect.stringContaining('marked for masquerading'), marks: true });
  expect(at(first, 'POSTROUTING')).toMatchObject({ masquerades: true, tone: 'rewrite' });
  expect(summaryOf(first).masquerade).toBe('decided in PREROUTING, done in POSTROUTING');
});

it('a Service without endpoints ends at the rule that refuses', async () => {
  const runs = await compared('no-endpoints');
  const first = steps(runs, 'iptables');
  expect(first.at(-1)).toMatchObject({ tone: 'drop', title: 'Rejected by a rule', where: expect.stringMatching(/^filter KUBE-SERVICES/) });
  expect(ofRun(runs[0], 'later')).toEqual([]);
});
