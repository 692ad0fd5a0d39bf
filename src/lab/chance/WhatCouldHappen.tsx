import { useId, useState } from 'react';
import type { Input } from '../../protocol/engine.ts';
import './chance.css';
import { Outcomes } from './Outcomes.tsx';
import type { Happened } from './outcome-name.ts';
import { useOutcomes } from './use-outcomes.ts';

interface WhatCouldHappenProps {
  readonly send: Extract<Input, { type: 'send' }> | undefined;
  /** What did happen, when it has. */
  readonly happened?: Happened | undefined;
}

/** Every outcome of a probe with its exact chance, on demand: the engine follows every way that chance can take. */
export function WhatCouldHappen({ send, happened }: WhatCouldHappenProps) {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <div className="what-could">
      <button
        type="button"
        className="what-could-button"
        aria-expanded={open}
        aria-controls={id}
        data-testid="what-could-happen"
        disabled={!send}
        onClick={() => setOpen(!open)}
      >
        <span aria-hidden="true">{open ? '▾' : '▸'}</span> {happened ? 'What could have happened' : 'What could happen'}
      </button>
      <div id={id}>{open && send && <Answer send={send} happened={happened} />}</div>
    </div>
  );
}

function Answer({ send, happened }: { readonly send: Extract<Input, { type: 'send' }>; readonly happened: Happened | undefined }) {
  const answer = useOutcomes(send);
  if (!answer) return <p className="chances-note">Following every way it can take.</p>;
  if (!answer.known) return <p className="chances-note">{`It cannot be sent: ${answer.reason}`}</p>;
  return <Outcomes outcomes={answer.outcomes} incomplete={answer.incomplete} happened={happened} />;
}
