import { fractionText, percentText } from '../../explain/probability.ts';
import type { PossibleOutcome } from '../../protocol/view.ts';
import './chance.css';
import { type Happened, isSame, outcomeName } from './outcome-name.ts';

interface OutcomesProps {
  readonly outcomes: readonly PossibleOutcome[];
  readonly incomplete: boolean;
  readonly happened?: Happened | undefined;
}

/** More than this many are summed up in one last line. */
const LISTED_MAX = 12;

/** Everything that could come of a probe, most likely first, with exact chances. */
export function Outcomes({ outcomes, incomplete, happened }: OutcomesProps) {
  const found = happened ? outcomes.findIndex((o) => isSame(o, happened)) : -1;
  const listed = outcomes.filter((_, i) => i < LISTED_MAX || i === found);
  const rest = outcomes.length - listed.length;
  const restProbability = outcomes.reduce((sum, o) => sum + (listed.includes(o) ? 0 : o.probability), 0);
  return (
    <>
      <ul className="chances" data-testid="outcomes">
        {listed.map((outcome) => (
          <Chance
            key={outcomeName(outcome)}
            name={outcomeName(outcome)}
            probability={outcome.probability}
            good={outcome.outcome === 'connected' || outcome.outcome === 'http'}
            happened={outcome === outcomes[found]}
          />
        ))}
        {rest > 0 && <Chance name={`${rest} more`} probability={restProbability} good happened={false} />}
      </ul>
      {incomplete && <p className="chances-note">Some ways were left out: there are too many.</p>}
      {happened && found < 0 && (
        <p className="chances-note">What happened is not among them: the rules have changed since, or the packet was lost by chance.</p>
      )}
    </>
  );
}

interface ChanceProps {
  readonly name: string;
  readonly probability: number;
  readonly good: boolean;
  readonly happened: boolean;
}

function Chance({ name, probability, good, happened }: ChanceProps) {
  const fraction = fractionText(probability);
  return (
    <li
      className={`chance${good ? '' : ' chance-bad'}${happened ? ' chance-happened' : ''}`}
      data-testid="chance"
      data-happened={happened || undefined}
    >
      <span className="chance-name mono">
        {name}
        {happened && <span className="chance-mark">happened</span>}
      </span>
      <span className="chance-value">
        {fraction !== undefined && <b>{fraction}</b>} {percentText(probability)}
      </span>
      <span className="chance-bar" aria-hidden="true">
        <i style={{ width: `${Math.max(probability * 100, 0.5)}%` }} />
      </span>
    </li>
  );
}
