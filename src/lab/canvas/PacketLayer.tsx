import { useStoreApi } from '@xyflow/react';
import { useEffect, useRef } from 'react';
import { useLab } from '../lab-context.tsx';
import { prefersStillness } from '../shell/motion-preference.ts';
import { Painter } from './painter.ts';

/** All packets, on one canvas above the map. It draws when the playhead, the map or the theme moved, and renders nothing in React. */
export function PacketLayer() {
  const ref = useRef<HTMLCanvasElement>(null);
  const flow = useStoreApi();
  const lab = useLab();
  useEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext('2d');
    if (!canvas || !context) return;
    const painter = new Painter(canvas, context);
    let frame = 0;
    const draw = (): void => {
      frame = 0;
      const { cluster, runs } = lab.recordings.getState();
      const { scene, drag } = lab.scenes.getState();
      const { position, count, run } = lab.playhead.getState();
      if (!cluster || !scene) return;
      painter.draw({ cluster, scene, run: runs[run], position, count, transform: flow.getState().transform, still: prefersStillness(), drag });
    };
    const schedule = (): void => {
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    const restyle = (): void => {
      painter.restyle();
      schedule();
    };
    const size = new ResizeObserver(() => {
      painter.resize();
      schedule();
    });
    size.observe(canvas);
    const theme = new MutationObserver(restyle);
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    document.fonts.ready.then(restyle);
    const stops = [lab.playhead.subscribe(schedule), lab.scenes.subscribe(schedule), lab.recordings.subscribe(schedule), flow.subscribe(schedule)];
    return () => {
      cancelAnimationFrame(frame);
      size.disconnect();
      theme.disconnect();
      for (const stop of stops) stop();
    };
  }, [flow, lab]);
  return <canvas ref={ref} className="packet-layer" role="presentation" />;
}
