import { memo } from 'react';
import { type TrafficPath, withoutSide } from './path-of-run.ts';
import type { Cable, Scene } from './scene.ts';

/** All lines of the map as one picture: React Flow's edges would want handles that nobody uses. */
export const Cables = memo(function Cables({ scene, path, watched }: { readonly scene: Scene; readonly path: TrafficPath; readonly watched: boolean }) {
  const isOnPath = (cable: Cable): boolean => watched && cable.places.every((place) => path.places.has(withoutSide(place)) || (cable.kind === 'track' && isPassed(place, path)));
  return (
    <svg className="cables" width={scene.width} height={scene.height} role="presentation">
      {scene.cables.map((cable) => (
        <polyline
          key={cable.id}
          className={`cable cable-${cable.kind}${watched ? (isOnPath(cable) ? ' is-on-path' : ' is-quiet') : ''}`}
          points={cable.points.map((p) => `${p.x},${p.y}`).join(' ')}
        />
      ))}
    </svg>
  );
});

/** A bridge's port is passed when its device is. */
const isPassed = (place: string, path: TrafficPath): boolean => {
  const port = /^(.*)#port:[^:]+:(.+)$/.exec(place);
  return port !== null && path.places.has(`${port[1]}#dev:${port[2]}`);
};
