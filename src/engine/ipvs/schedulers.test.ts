import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Ipv4, parseIpv4 } from '../../protocol/address.ts';
import { Destination } from './destination.ts';
import { SCHEDULERS, type SchedulerName } from './model.ts';
import type { FirstPacket } from './scheduler.ts';
import { VirtualService } from './virtual-servers.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

/** A virtual server with real servers named 1, 2, 3, added in this order with these weights. */
class Balancer {
  readonly service: VirtualService;
  readonly added: Destination[] = [];
  /** With 8080 as in the recordings; hashing goes by addresses and ports. */
  constructor(
    scheduler: SchedulerName,
    weights: readonly number[],
    addresses: readonly string[] = [],
    flags: readonly (1 | 2)[] = [],
    virtual = '10.96.0.29',
  ) {
    this.service = new VirtualService({
      protocol: 'tcp',
      address: ip(virtual),
      port: 80,
      scheduler,
      schedulerFlags: flags,
      persistenceSeconds: undefined,
      onePacket: false,
    });
    for (const [i, weight] of weights.entries()) this.add(weight, addresses[i]);
  }

  add(weight: number, address = `10.2.0.1${this.added.length + 1}`): Destination {
    const destination = new Destination({ address: ip(address), port: 8080, forwarding: 'masq', weight });
    this.added.push(destination);
    this.service.add(destination);
    return destination;
  }

  choose(packet: Partial<FirstPacket> = {}): Destination | undefined {
    return this.service.choose({ source: ip('10.1.0.10'), sourcePort: 40_000, nowNs: 0, ...packet });
  }

  /** Connections one after the other; `then` is what becomes of each. */
  run(count: number, then: 'open' | 'closed' = 'closed'): string {
    return Array.from({ length: count }, () => {
      const chosen = this.choose();
      if (!chosen) return '-';
      if (then === 'open') chosen.active++;
      else chosen.inactive++;
      return this.added.indexOf(chosen) + 1;
    }).join(' ');
  }

  /** All that was open is closed. */
  closeAll(): void {
    for (const destination of this.added) {
      destination.inactive += destination.active;
      destination.active = 0;
    }
  }
}

describe('rr', () => {
  it('takes the newest first, then one after the other', () => {
    expect(new Balancer('rr', [1, 1, 1]).run(7)).toBe('3 2 1 3 2 1 3');
  });

  it('passes over weight 0; nobody with a weight: nobody', () => {
    expect(new Balancer('rr', [1, 0, 1]).run(4)).toBe('3 1 3 1');
    expect(new Balancer('rr', [0, 0]).run(2)).toBe('- -');
    expect(new Balancer('rr', []).run(1)).toBe('-');
  });

  it('goes on where it was when servers go and come, as a kernel did', () => {
    const balancer = new Balancer('rr', [1, 1, 1]);
    expect(balancer.run(4)).toBe('3 2 1 3');
    balancer.service.remove(balancer.added[2] as Destination);
    expect(balancer.run(4)).toBe('2 1 2 1');
    balancer.service.add(balancer.added[2] as Destination);
    expect(balancer.run(6)).toBe('3 2 1 3 2 1');
    balancer.add(1);
    expect(balancer.run(8)).toBe('4 3 2 1 4 3 2 1');
    balancer.service.setWeight(balancer.added[1] as Destination, 0);
    expect(balancer.run(8)).toBe('4 3 1 4 3 1 4 3');
    balancer.service.edit({ ...balancer.service.settings, scheduler: 'wrr' });
    expect(balancer.run(8)).toBe('4 3 1 4 3 1 4 3');
  });
});

describe('wrr', () => {
  it.each([
    [[1, 2, 3], '3 2 1 3 3 2 3 2 1 3 3 2'],
    [[4, 2, 2], '3 2 1 1 3 2 1 1'],
    [[5, 3, 0], '2 1 1 1 2 1 2 1 2 1 1 1 2 1 2 1'],
  ])('weights %j: %s', (weights, sequence) => {
    expect(new Balancer('wrr', weights).run(sequence.split(' ').length)).toBe(sequence);
  });

  it('a weight that is set later, as a kernel went on', () => {
    const balancer = new Balancer('wrr', [5, 3, 0]);
    balancer.run(16);
    balancer.service.setWeight(balancer.added[2] as Destination, 4);
    expect(balancer.run(24)).toBe('3 2 1 3 2 1 1 3 1 3 2 1 3 2 1 3 2 1 1 3 1 3 2 1');
  });

  it('nobody with a weight: nobody', () => {
    expect(new Balancer('wrr', [0, 0]).run(1)).toBe('-');
    expect(new Balancer('wrr', []).run(1)).toBe('-');
  });

  it('in each round every server gets its weight', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(6), { minLength: 1, maxLength: 6 }), (weights) => {
        const total = weights.reduce((a, b) => a + b, 0);
        const balancer = new Balancer(
          'wrr',
          weights,
          weights.map((_, i) => `10.2.1.${i}`),
        );
        const chosen = balancer.run(total * 3).split(' ');
        if (total === 0) return;
        // The first round may be cut short, by what the adding left behind; from then on rounds are whole.
        const divisor = weights.filter((w) => w > 0).reduce((a, b) => gcd(a, b));
        const round = total / divisor;
        const second = chosen.slice(chosen.length - round);
        for (const [i, weight] of weights.entries()) expect(second.filter((name) => name === String(i + 1))).toHaveLength(weight / divisor);
      }),
    );
  });
});

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

describe('by connections', () => {
  it('lc: the fewest, whatever the weights; the newest of equals', () => {
    expect(new Balancer('lc', [1, 1, 1]).run(7)).toBe('3 2 1 3 2 1 3');
    expect(new Balancer('lc', [1, 1, 1]).run(7, 'open')).toBe('3 2 1 3 2 1 3');
  });

  it('wlc weights 1 2 3, closed, then open', () => {
    const balancer = new Balancer('wlc', [1, 2, 3]);
    expect(balancer.run(12)).toBe('3 2 1 3 2 3 3 2 1 3 2 3');
    expect(balancer.run(12, 'open')).toBe('3 2 1 3 2 3 3 2 1 3 2 3');
  });

  it('sed weights 1 2 3: closed ones do not count', () => {
    const balancer = new Balancer('sed', [1, 2, 3]);
    expect(balancer.run(4)).toBe('3 3 3 3');
    expect(balancer.run(12, 'open')).toBe('3 2 3 3 2 1 3 2 3 3 2 1');
  });

  it('nq weights 1 2 3: an idle one first', () => {
    const balancer = new Balancer('nq', [1, 2, 3]);
    expect(balancer.run(4)).toBe('3 3 3 3');
    expect(balancer.run(12, 'open')).toBe('3 2 1 3 3 2 3 2 3 3 2 1');
  });

  it.each(['lc', 'wlc', 'sed', 'nq', 'lblc', 'lblcr'] as const)('%s gives nothing to weight 0', (scheduler) => {
    expect(new Balancer(scheduler, [1, 0]).run(3, 'open')).toBe('1 1 1');
    expect(new Balancer(scheduler, [0, 0]).run(1)).toBe('-');
  });
});

describe('by locality, as a kernel chose', () => {
  it('lblc', () => {
    const balancer = new Balancer('lblc', [1, 2, 3]);
    expect(balancer.run(8)).toBe('3 3 3 3 3 3 3 3');
    expect(balancer.run(12, 'open')).toBe('3 3 3 3 2 2 2 1 1 1 1 1');
  });

  it('lblcr', () => {
    const balancer = new Balancer('lblcr', [1, 2, 3]);
    expect(balancer.run(8)).toBe('3 3 3 3 3 3 3 3');
    expect(balancer.run(12, 'open')).toBe('3 3 3 3 2 2 2 1 1 3 2 3');
    balancer.closeAll();
  });

  it('lblc leaves a server that is gone or has weight 0', () => {
    const balancer = new Balancer('lblc', [1, 1]);
    expect(balancer.run(1)).toBe('2');
    balancer.service.setWeight(balancer.added[1] as Destination, 0);
    expect(balancer.run(2)).toBe('1 1');
    balancer.service.setWeight(balancer.added[1] as Destination, 1);
    balancer.service.remove(balancer.added[0] as Destination);
    expect(balancer.run(2)).toBe('2 2');
  });

  it('a day without a packet, and lblc chooses anew', () => {
    const balancer = new Balancer('lblc', [1, 1]);
    expect(balancer.choose()).toBe(balancer.added[1]);
    (balancer.added[1] as Destination).inactive = 5;
    expect(balancer.choose({ nowNs: 3600e9 })).toBe(balancer.added[1]);
    expect(balancer.choose({ nowNs: 3600e9 + 86_400e9 })).toBe(balancer.added[0]);
  });

  it('after a day without a change lblcr takes the busiest server out of the set', () => {
    const balancer = new Balancer('lblcr', [1, 1]);
    balancer.run(3, 'open');
    balancer.closeAll();
    for (const hours of [20, 30]) balancer.choose({ nowNs: hours * 3600e9 });
    const [one, two] = balancer.added as [Destination, Destination];
    two.inactive = 9;
    one.inactive = 0;
    expect(balancer.choose({ nowNs: 40 * 3600e9 })).toBe(one);
  });
});

describe('by hashing', () => {
  const CLIENTS = Array.from({ length: 10 }, (_, i) => ip(`10.1.0.1${i}`));
  const REALS = ['10.2.0.11', '10.2.0.12', '10.2.0.13'];
  const byClient = (balancer: Balancer): string =>
    CLIENTS.map((source) => balancer.choose({ source }))
      .map((d) => (d ? balancer.added.indexOf(d) + 1 : '-'))
      .join(' ');

  it('dh: one server for all clients, as a kernel chose', () => {
    expect(byClient(new Balancer('dh', [1, 1, 1], REALS))).toBe('2 2 2 2 2 2 2 2 2 2');
  });

  it('dh refuses when that server has weight 0', () => {
    expect(byClient(new Balancer('dh', [1, 0, 1], REALS))).toBe('- - - - - - - - - -');
    expect(new Balancer('dh', []).run(1)).toBe('-');
  });

  it('sh with fallback and weights, as a kernel chose', () => {
    const balancer = new Balancer('sh', [1, 0, 5], REALS, [1], '10.96.0.22');
    expect(byClient(balancer)).toBe('3 3 3 3 3 3 1 1 3 3');
    balancer.service.setWeight(balancer.added[1] as Destination, 2);
    expect(byClient(balancer)).toBe('2 1 3 3 2 1 3 3 3 2');
  });

  it('mh with fallback and weights, as a kernel chose', () => {
    const balancer = new Balancer('mh', [1, 2, 3], REALS, [1], '10.96.0.23');
    expect(byClient(balancer)).toBe('3 2 3 3 2 3 2 3 3 2');
    balancer.service.setWeight(balancer.added[2] as Destination, 0);
    expect(byClient(balancer)).toBe('2 2 2 1 2 2 2 2 2 2');
  });

  it('without fallback only the clients of a resting server are refused, and no other moves', () => {
    for (const scheduler of ['sh', 'mh'] as const) {
      const balancer = new Balancer(scheduler, [1, 1, 1], REALS);
      const before = byClient(balancer).split(' ');
      balancer.service.setWeight(balancer.added[1] as Destination, 0);
      expect(byClient(balancer).split(' ')).toEqual(before.map((name) => (name === '2' ? '-' : name)));
    }
  });

  it('mh: removing one of many servers moves few of the others’ clients', () => {
    const weights = Array.from({ length: 20 }, () => 1);
    const addresses = weights.map((_, i) => `10.2.1.${i + 1}`);
    const balancer = new Balancer('mh', weights, addresses);
    const clients = Array.from({ length: 500 }, (_, i) => (0x0a010000 + i * 7) as Ipv4);
    const before = clients.map((source) => balancer.choose({ source }));
    balancer.service.remove(balancer.added[7] as Destination);
    const moved = clients.filter((source, i) => before[i] !== balancer.added[7] && balancer.choose({ source }) !== before[i]);
    expect(moved.length).toBeLessThan(50);
  });

  it('with the port flag one address is spread over the servers', () => {
    for (const scheduler of ['sh', 'mh'] as const) {
      const balancer = new Balancer(scheduler, [1, 1, 1], REALS, [2]);
      const chosen = new Set(Array.from({ length: 64 }, (_, i) => balancer.choose({ sourcePort: 30_000 + i })));
      expect(chosen.size).toBe(3);
    }
  });

  it('the same client gets the same server', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('sh' as const, 'mh' as const),
        fc.nat(0xffffffff),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }),
        (scheduler, source, weights) => {
          const addresses = weights.map((_, i) => `10.2.1.${i}`);
          const [a, b] = [new Balancer(scheduler, weights, addresses, [1]), new Balancer(scheduler, weights, addresses, [1])];
          const packet = { source: source as Ipv4 };
          const chosen = a.choose(packet);
          expect(a.added.indexOf(chosen as Destination)).toBe(b.added.indexOf(b.choose(packet) as Destination));
          expect(a.choose(packet)).toBe(chosen);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('every scheduler', () => {
  it.each(SCHEDULERS)('%s gives a server of the list that has a weight, or none', (scheduler) => {
    const change = fc.oneof(
      fc.record({ do: fc.constant('add' as const), weight: fc.nat(3) }),
      fc.record({ do: fc.constant('remove' as const), at: fc.nat(10), weight: fc.nat(3) }),
      fc.record({ do: fc.constant('weigh' as const), at: fc.nat(10), weight: fc.nat(3) }),
      fc.record({ do: fc.constant('choose' as const), at: fc.nat(10), weight: fc.nat(3) }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const balancer = new Balancer(scheduler, []);
        const { service } = balancer;
        for (const [i, step] of changes.entries()) {
          const at = step.do === 'add' ? undefined : service.destinations[step.at];
          if (step.do === 'add') balancer.add(step.weight, `10.3.0.${i}`);
          else if (step.do === 'remove' && at) service.remove(at);
          else if (step.do === 'weigh' && at) service.setWeight(at, step.weight);
          else {
            const chosen = balancer.choose({ source: (i * 77) as Ipv4 });
            if (chosen) {
              expect(service.destinations).toContain(chosen);
              expect(chosen.weight).toBeGreaterThan(0);
              if (i % 2) chosen.active++;
            } else if (scheduler !== 'dh' && scheduler !== 'sh' && scheduler !== 'mh')
              expect(service.destinations.every(({ weight }) => weight === 0)).toBe(true);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
