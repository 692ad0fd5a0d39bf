import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Relative base: the built folder works from any path of any static host. */
export default defineConfig({
  base: './',
  plugins: [react()],
  worker: { format: 'es' },
  server: { port: 5173, strictPort: true },
  build: { target: 'es2023', chunkSizeWarningLimit: 700 },
});
