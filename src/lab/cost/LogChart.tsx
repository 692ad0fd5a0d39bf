import { scaleLog } from 'd3-scale';
import { line, symbol, symbolCircle, symbolSquare, symbolTriangle } from 'd3-shape';
import { useLayoutEffect, useRef, useState } from 'react';
import type { ProxyMode } from '../../protocol/event.ts';
import { modeName } from '../shell/mode-name.ts';
import type { Series } from './series.ts';

interface LogChartProps {
  readonly series: readonly Series[];
  /** What it shows, for those who do not see it; the numbers are in a table beside it. */
  readonly label: string;
  readonly unit: string;
  readonly xDomain: readonly [number, number];
  readonly xTicks: readonly number[];
  /** Powers of ten that hold all values. */
  readonly yMax: number;
  readonly height: number;
}

/** Told apart by stroke and mark as well as by colour. */
const SYMBOLS = { iptables: symbolCircle, nftables: symbolSquare, ipvs: symbolTriangle } as const;
const MARGIN = { top: 22, right: 74, bottom: 26, left: 50 } as const;
/** Names at the ends of lines are this far apart. */
const NAME_HEIGHT = 16;

/** Lines over a number of Services, on two logarithmic scales. */
export function LogChart({ series, label, unit, xDomain, xTicks, yMax, height }: LogChartProps) {
  const { box, width } = useWidth();
  const x = scaleLog([...xDomain], [MARGIN.left, width - MARGIN.right]);
  const y = scaleLog([1, yMax], [height - MARGIN.bottom, MARGIN.top]);
  const at = (value: number): number => y(Math.max(1, value));
  const path = line<Series['points'][number]>(
    (point) => x(point.services),
    (point) => at(point.value),
  );
  const yTicks = Array.from({ length: Math.round(Math.log10(yMax)) + 1 }, (_, i) => 10 ** i);
  return (
    <svg ref={box} className="log-chart" width="100%" height={height} role="img" aria-label={label}>
      {yTicks.map((tick) => (
        <g key={tick}>
          <line className="log-grid" x1={MARGIN.left} x2={width - MARGIN.right} y1={y(tick)} y2={y(tick)} />
          <text x={MARGIN.left - 8} y={y(tick) + 4} textAnchor="end">
            {tick.toLocaleString('en')}
          </text>
        </g>
      ))}
      {xTicks.map((tick) => (
        <text key={tick} x={x(tick)} y={height - 6} textAnchor="middle">
          {tick.toLocaleString('en')}
        </text>
      ))}
      <text className="log-unit" x={4} y={12}>
        {unit}
      </text>
      {series.map(({ mode, points }) => (
        <g key={mode} className={`log-series log-${mode}`}>
          <path d={path(points) ?? ''} />
          {points.map((point) => (
            <path
              key={point.services}
              className="log-mark"
              d={symbol(SYMBOLS[mode], 56)() ?? ''}
              transform={`translate(${x(point.services)} ${at(point.value)})`}
            />
          ))}
        </g>
      ))}
      {namesOf(series, at).map(({ mode, services, top }) => (
        <text key={mode} className={`log-name log-${mode}`} x={x(services) + 10} y={top + 4}>
          {modeName(mode)}
        </text>
      ))}
    </svg>
  );
}

/** As wide as there is room: letters keep their size. */
function useWidth() {
  const box = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(600);
  useLayoutEffect(() => {
    const svg = box.current;
    if (!svg) return;
    const measure = (): void => setWidth(Math.max(260, svg.getBoundingClientRect().width));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(svg);
    return () => observer.disconnect();
  }, []);
  return { box, width };
}

interface Name {
  readonly mode: ProxyMode;
  readonly services: number;
  readonly top: number;
}

/** Where each line's name stands: at its end, and never over another. */
function namesOf(series: readonly Series[], at: (value: number) => number): readonly Name[] {
  const ends = series.flatMap(({ mode, points }): Name[] => {
    const end = points.at(-1);
    return end ? [{ mode, services: end.services, top: at(end.value) }] : [];
  });
  let above = Number.NEGATIVE_INFINITY;
  return [...ends]
    .sort((a, b) => a.top - b.top)
    .map((name) => {
      above = Math.max(name.top, above + NAME_HEIGHT);
      return { ...name, top: above };
    });
}
