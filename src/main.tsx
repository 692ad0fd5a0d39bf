import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '@fontsource-variable/source-sans-3';
import '@fontsource-variable/jetbrains-mono';
import './lab/shell/theme.css';
import './lab/shell/base.css';
import { App } from './lab/shell/App.tsx';
import { boot } from './lab/shell/boot.ts';

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
void boot();
