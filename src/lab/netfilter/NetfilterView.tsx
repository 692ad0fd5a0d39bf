import { ChevronLeft, ChevronRight, Map as MapIcon } from 'lucide-react';
import { useMemo } from 'react';
import { placeTitle } from '../journey/hops.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import './netfilter.css';
import { PassView } from './PassView.tsx';
import { type Pass, passAt, passesOf } from './passes.ts';
import { useChainTexts } from './use-chain-texts.ts';

/** The hooks that a packet passes in one namespace, and the rules it walks through there, up to the playhead. */
export default function NetfilterView() {
  const { recording, length, flow, position, seek } = useLab();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` says when the recording grew
  const passes = useMemo(() => passesOf(recording.events, flow), [recording, length, flow]);
  const pass = passAt(passes, position);
  const showMap = (): void => useScreen.getState().showStage('map');
  return (
    <section className="netfilter" aria-label="Netfilter" data-testid="netfilter-view">
      <div className="netfilter-head">
        <h2>{pass ? `Netfilter on ${placeTitle(pass.netns)}` : 'Netfilter'}</h2>
        <PassSwitch passes={passes} pass={pass} onSeek={seek} />
        <button type="button" className="button" data-testid="netfilter-close" title="Back to the map (N)" onClick={showMap}>
          <MapIcon size={16} aria-hidden="true" /> Map
        </button>
      </div>
      {pass ? <RecordedPass key={`${pass.packet} ${pass.netns}`} pass={pass} /> : <NoPass sent={flow !== 0} />}
    </section>
  );
}

function RecordedPass({ pass }: { readonly pass: Pass }) {
  const { recording, position, seek } = useLab();
  const chains = useChainTexts(pass.netns);
  return <PassView events={recording.events} pass={pass} position={position} onSeek={seek} chains={chains} />;
}

function NoPass({ sent }: { readonly sent: boolean }) {
  return (
    <p className="empty">
      {sent
        ? 'No packet of this flow met connection tracking or a rule. Send one to a Service, or across nodes.'
        : 'No packet yet. Press Space to send one; the rules that it walks through are shown here.'}
    </p>
  );
}

interface PassSwitchProps {
  readonly passes: readonly Pass[];
  readonly pass: Pass | undefined;
  readonly onSeek: (position: number) => void;
}

/** From one packet and node to the next. */
function PassSwitch({ passes, pass, onSeek }: PassSwitchProps) {
  const at = pass ? passes.indexOf(pass) : -1;
  const go = (to: Pass | undefined): void => {
    if (to) onSeek((to.indices.at(-1) as number) + 1);
  };
  return (
    <div className="netfilter-switch">
      <button
        type="button"
        className="button button-icon"
        aria-label="Previous packet at a node"
        disabled={at <= 0}
        onClick={() => go(passes[at - 1])}
      >
        <ChevronLeft size={17} />
      </button>
      <span aria-live="polite">{`${at + 1} of ${passes.length}`}</span>
      <button
        type="button"
        className="button button-icon"
        aria-label="Next packet at a node"
        data-testid="netfilter-next"
        disabled={at < 0 || at + 1 >= passes.length}
        onClick={() => go(passes[at + 1])}
      >
        <ChevronRight size={17} />
      </button>
    </div>
  );
}
