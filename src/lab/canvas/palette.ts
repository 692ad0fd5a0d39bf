import type { Effect } from './effects.ts';
import type { Tone } from './packet-look.ts';

/** The colour tokens of the present theme, read once: a canvas cannot use custom properties. */
export interface Palette {
  fill(tone: Effect['tone']): string;
  ink(tone: Effect['tone']): string;
  text(tone: Effect['tone']): string;
  readonly surface: string;
  readonly label: string;
  readonly line: string;
  readonly accent: string;
  readonly canvas: string;
}

const TOKENS: Readonly<Record<Effect['tone'], string>> = {
  l2: 'l2',
  l3: 'l3',
  reply: 'reply',
  udp: 'udp',
  icmp: 'icmp',
  drop: 'drop',
  process: 'service',
  conntrack: 'nat',
} satisfies Record<Tone | 'process' | 'conntrack', string>;

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const known = new Map<string, string>();
  const read = (name: string): string => {
    let value = known.get(name);
    if (value === undefined) {
      value = style.getPropertyValue(name).trim();
      known.set(name, value);
    }
    return value;
  };
  return {
    fill: (tone) => read(`--${TOKENS[tone]}`),
    ink: (tone) => read(`--${TOKENS[tone]}-ink`),
    text: (tone) => read(`--${TOKENS[tone]}-text`),
    surface: read('--surface'),
    label: read('--ink'),
    line: read('--line-strong'),
    accent: read('--accent'),
    canvas: read('--canvas'),
  };
}
