import { LabEngine } from './lab-engine.ts';
import type { Port } from './messages.ts';
import { serve } from './serve.ts';

serve(new LabEngine(), self as unknown as Port);
