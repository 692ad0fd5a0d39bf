import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '@fontsource-variable/jetbrains-mono';
import '@fontsource-variable/source-sans-3';
import './lab/shell/theme.css';
import './lab/shell/shell.css';
import { App } from './lab/shell/App.tsx';
import { boot } from './lab/shell/boot.ts';
import { announceReadiness } from './lab/shell/readiness.ts';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
announceReadiness();
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
void boot();
