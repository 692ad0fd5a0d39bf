import { Tab, TabList, TabPanel, TabProvider } from '@ariakit/react';
import { PacketInspector } from '../inspector/PacketInspector.tsx';
import { Tables } from '../inspector/Tables.tsx';
import { Journey } from '../journey/Journey.tsx';
import { type PanelTab, useLab } from '../stores/lab-store.ts';

const TABS: readonly (readonly [PanelTab, string])[] = [
  ['journey', 'Journey'],
  ['packet', 'Packet'],
  ['tables', 'Tables'],
];

export function Panel() {
  const tab = useLab((s) => s.tab);
  const show = useLab((s) => s.show);
  return (
    <aside className="panel" aria-label="Journey, packet and tables">
      <TabProvider selectedId={`tab-${tab}`} setSelectedId={(id) => show((id?.slice(4) ?? 'journey') as PanelTab)}>
        <TabList className="tabs" aria-label="What the panel shows">
          {TABS.map(([id, label]) => (
            <Tab key={id} id={`tab-${id}`} className="tab" data-testid={`tab-${id}`}>
              {label}
            </Tab>
          ))}
        </TabList>
        <TabPanel className="tab-panel" tabId={`tab-${tab}`} focusable={false}>
          {tab === 'journey' ? <Journey /> : tab === 'packet' ? <PacketInspector /> : <Tables />}
        </TabPanel>
      </TabProvider>
    </aside>
  );
}
