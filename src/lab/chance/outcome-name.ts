import type { FlowOutcome } from '../../protocol/event.ts';
import type { OutcomeKind, PossibleOutcome } from '../../protocol/view.ts';

/** What came of a flow, as far as chances tell them apart. */
export type Happened = Pick<FlowOutcome, 'kind' | 'endpoint'>;

const NAMES: Readonly<Record<OutcomeKind, string>> = {
  connected: 'connected',
  http: 'answered',
  refused: 'refused',
  unreachable: 'unreachable',
  timeout: 'timed out',
  'dns-failure': 'name not found',
};

/** `10.244.2.7:8080`, or where nobody serves what the client sees: `refused`. */
export function outcomeName({ outcome, endpoint }: Pick<PossibleOutcome, 'outcome' | 'endpoint'>): string {
  if (endpoint === undefined) return NAMES[outcome];
  return outcome === 'connected' || outcome === 'http' ? endpoint : `${endpoint}, ${NAMES[outcome]}`;
}

export const isSame = (possible: PossibleOutcome, happened: Happened): boolean =>
  possible.outcome === happened.kind && possible.endpoint === happened.endpoint;
