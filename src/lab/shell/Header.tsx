import { Braces, Command, FolderOpen, Moon, Send, Sun, Waypoints } from 'lucide-react';
import { ShareButton } from '../share/ShareButton.tsx';
import { useLab } from '../stores/lab-store.ts';
import { ModeSwitch } from './ModeSwitch.tsx';
import { useScreen } from './screen-store.ts';

export function Header() {
  const title = useLab((s) => s.topology?.title);
  const ready = useLab((s) => s.phase === 'ready');
  const theme = useScreen((s) => s.theme);
  const open = useScreen((s) => s.open);
  const services = useScreen((s) => s.services);
  const toggleServices = useScreen((s) => s.toggleServices);
  const toggleTheme = useScreen((s) => s.toggleTheme);
  const themeLabel = theme === 'dark' ? 'Light theme' : 'Dark theme';
  return (
    <header className="header">
      <h1 className="wordmark">Hoplab</h1>
      <p className="scenario-title" data-testid="scenario-title" title={title}>
        {title}
      </p>
      <button
        type="button"
        className="button"
        title="Open a ready-made scenario (O)"
        data-testid="open-gallery"
        disabled={!ready}
        onClick={() => open('gallery')}
      >
        <FolderOpen size={16} aria-hidden="true" /> Open
      </button>
      <ModeSwitch />
      <button
        type="button"
        className="button header-services"
        aria-pressed={services}
        title="Services over the map (S)"
        data-testid="toggle-services"
        disabled={!ready}
        onClick={toggleServices}
      >
        <Waypoints size={16} aria-hidden="true" /> Services
      </button>
      <button type="button" className="button button-primary" data-testid="open-send" disabled={!ready} onClick={() => open('send')}>
        <Send size={16} aria-hidden="true" /> Send
      </button>
      <button type="button" className="button" data-testid="open-manifests" disabled={!ready} onClick={() => open('manifests')}>
        <Braces size={16} aria-hidden="true" /> Manifests
      </button>
      <ShareButton />
      <button
        type="button"
        className="button"
        aria-label="Command palette"
        title="Command palette (Ctrl K)"
        data-testid="open-palette"
        disabled={!ready}
        onClick={() => open('palette')}
      >
        <Command size={15} aria-hidden="true" /> K
      </button>
      <button
        type="button"
        className="button button-icon"
        aria-label={themeLabel}
        title={`${themeLabel} (T)`}
        data-testid="theme"
        onClick={toggleTheme}
      >
        {theme === 'dark' ? <Sun size={17} /> : <Moon size={17} />}
      </button>
    </header>
  );
}
