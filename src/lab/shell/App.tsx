import * as Ariakit from '@ariakit/react';
import { type ComponentType, lazy, Suspense } from 'react';
import { Canvas } from '../canvas/Canvas.tsx';
import { PacketInspector } from '../inspector/PacketInspector.tsx';
import { Tables } from '../inspector/Tables.tsx';
import { Journey } from '../journey/Journey.tsx';
import { FileDrop } from '../manifests/FileDrop.tsx';
import { Palette } from '../palette/Palette.tsx';
import { SendDialog } from '../send/SendDialog.tsx';
import { type PanelTab, useLab } from '../stores/lab-store.ts';
import { Timeline } from '../timeline/Timeline.tsx';
import { sendDragged } from './actions.ts';
import './app.css';
import { Header } from './Header.tsx';
import { useKeys } from './keys.ts';
import { Notice } from './Notice.tsx';
import { Shortcuts } from './Shortcuts.tsx';
import { Booting, Crashed } from './States.tsx';
import { useScreen, type Workspace } from './screen-store.ts';

const NetfilterView = lazy(() => import('../netfilter/NetfilterView.tsx'));
const ServicesPanel = lazy(() => import('../services/ServicesPanel.tsx'));
const ManifestsDrawer = lazy(() => import('../manifests/ManifestsDrawer.tsx'));
const Gallery = lazy(() => import('../gallery/Gallery.tsx'));
const ShareDialog = lazy(() => import('../share/ShareDialog.tsx'));
const WORKSPACES: Readonly<Record<Workspace, ComponentType>> = {
  compare: lazy(() => import('../compare/CompareWorkspace.tsx')),
  cost: lazy(() => import('../cost/CostWorkspace.tsx')),
  dump: lazy(() => import('../dump/DumpWorkspace.tsx')),
};

export function App() {
  const phase = useLab((s) => s.phase);
  const overlay = useScreen((s) => s.overlay);
  const stage = useScreen((s) => s.stage);
  const workspace = useScreen((s) => s.workspace);
  const covered = workspace !== undefined;
  const Work = workspace && WORKSPACES[workspace];
  useKeys();
  if (phase === 'crashed') return <Crashed />;
  return (
    <div className="app">
      <Header />
      <main className="stage" aria-label="Cluster" inert={covered}>
        {phase === 'booting' ? (
          <Booting />
        ) : (
          // The map keeps its place and its zoom while something else is looked at.
          <div className="stage-map" inert={stage !== 'map'}>
            <Canvas onSend={sendDragged} />
          </div>
        )}
        {stage === 'netfilter' && (
          <Suspense fallback={null}>
            <NetfilterView />
          </Suspense>
        )}
        <Hint />
        <Notice />
      </main>
      <aside className="side" aria-label="Details" inert={covered}>
        <Panel />
      </aside>
      {/* biome-ignore lint/a11y/useAriaPropsSupportedByRole: outside of sectioning content a footer is a landmark, which takes a name */}
      <footer className="bottom" aria-label="Playback" inert={covered}>
        <Timeline />
      </footer>
      {Work && (
        <Suspense fallback={null}>
          <Work />
        </Suspense>
      )}
      {overlay === 'send' && <SendDialog />}
      {overlay === 'palette' && <Palette />}
      {overlay === 'shortcuts' && <Shortcuts />}
      {overlay === 'manifests' && (
        <Suspense fallback={null}>
          <ManifestsDrawer />
        </Suspense>
      )}
      {(overlay === 'gallery' || overlay === 'share') && (
        <Suspense fallback={null}>{overlay === 'gallery' ? <Gallery /> : <ShareDialog />}</Suspense>
      )}
      <FileDrop />
    </div>
  );
}

function Hint() {
  const shown = useLab((s) => s.phase === 'ready' && s.length === 0 && !s.pending);
  if (!shown) return null;
  return (
    <p className="hint">
      Press <kbd>Space</kbd> to send a packet
    </p>
  );
}

const TABS: readonly (readonly [PanelTab, string])[] = [
  ['journey', 'Journey'],
  ['packet', 'Packet'],
  ['tables', 'Tables'],
  ['services', 'Services'],
];

function Panel() {
  const tab = useLab((s) => s.tab);
  const show = useLab((s) => s.show);
  return (
    <Ariakit.TabProvider selectedId={tab} setSelectedId={(id) => show((id ?? 'journey') as PanelTab)}>
      <Ariakit.TabList className="tabs" aria-label="Details">
        {TABS.map(([id, label]) => (
          <Ariakit.Tab key={id} id={id} className="tab" data-testid={`tab-${id}`}>
            {label}
          </Ariakit.Tab>
        ))}
      </Ariakit.TabList>
      <Ariakit.TabPanel className="tab-panel" tabId={tab} data-testid={`panel-${tab}`}>
        {tab === 'journey' && <Journey />}
        {tab === 'packet' && <PacketInspector />}
        {tab === 'tables' && <Tables />}
        {tab === 'services' && (
          <Suspense fallback={null}>
            <ServicesPanel />
          </Suspense>
        )}
      </Ariakit.TabPanel>
    </Ariakit.TabProvider>
  );
}
