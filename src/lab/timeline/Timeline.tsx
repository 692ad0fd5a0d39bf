import { Pause, Play, SkipBack, SkipForward, StepBack, StepForward } from 'lucide-react';
import { type KeyboardEvent, type PointerEvent, type ReactNode, useEffect, useRef } from 'react';
import type { LabEvent } from '../../protocol/event.ts';
import { useLab } from '../stores/lab-store.ts';
import { BEATS_PER_SECOND, type PresentationAxis } from './axis.ts';
import { formatDuration, formatTime } from './format.ts';
import { playback } from './playback.ts';
import './timeline.css';

const SPEEDS = [0.25, 0.5, 1, 2, 4];

export function Timeline() {
  const { length, position, playing, speed, axis, seek, step, setPlaying, setSpeed } = useLab();
  useEffect(() => playback.start(), []);
  return (
    <section className="timeline" aria-label="Timeline">
      <div className="timeline-controls">
        <Control label="To the start" onClick={() => seek(0)} disabled={position === 0}>
          <SkipBack size={16} />
        </Control>
        <Control label="Step back" testId="timeline-step-back" onClick={() => step(-1)} disabled={position === 0}>
          <StepBack size={16} />
        </Control>
        <button
          type="button"
          className="timeline-play"
          data-testid="timeline-play"
          aria-label={playing ? 'Pause' : 'Play'}
          title={playing ? 'Pause' : 'Play'}
          disabled={length === 0}
          onClick={() => setPlaying(!playing)}
        >
          {playing ? <Pause size={20} fill="currentColor" /> : <Play size={20} fill="currentColor" />}
        </button>
        <Control label="Step" testId="timeline-step" onClick={() => step(1)} disabled={position >= length}>
          <StepForward size={16} />
        </Control>
        <Control label="To the end" onClick={() => seek(length)} disabled={position >= length}>
          <SkipForward size={16} />
        </Control>
        <select
          className="timeline-speed"
          aria-label="Playback speed"
          value={speed}
          onChange={(event) => setSpeed(Number(event.target.value))}
        >
          {SPEEDS.map((value) => (
            <option key={value} value={value}>
              {value}x
            </option>
          ))}
        </select>
      </div>
      <Scrubber axis={axis} />
      <div className="timeline-readout">
        <Clock />
        <div className="timeline-count">
          event <span data-testid="timeline-position">{`${position} / ${length}`}</span>
        </div>
        <Slowness axis={axis} length={length} speed={speed} />
      </div>
    </section>
  );
}

interface ControlProps {
  readonly label: string;
  readonly testId?: string;
  readonly disabled: boolean;
  readonly onClick: () => void;
  readonly children: ReactNode;
}

function Control({ label, testId, disabled, onClick, children }: ControlProps) {
  return (
    <button
      type="button"
      className="timeline-button"
      aria-label={label}
      title={label}
      data-testid={testId}
      disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

/** Runs with the playhead, between events too, so it is written without React. */
function Clock() {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const write = (): void => {
      if (ref.current) ref.current.textContent = `t = ${formatTime(useLab.getState().axis.timeAt(playback.beat))}`;
    };
    write();
    const stops = [playback.onChange(write), useLab.subscribe(write)];
    return () => {
      for (const stop of stops) stop();
    };
  }, []);
  return <div ref={ref} className="timeline-clock" />;
}

function Slowness({ axis, length, speed }: { readonly axis: PresentationAxis; readonly length: number; readonly speed: number }) {
  if (length === 0) return null;
  const { beats, durationNs } = axis.spanWithoutBreaks(0, axis.end);
  if (durationNs <= 0) return null;
  const times = Number(((beats / BEATS_PER_SECOND / speed / durationNs) * 1e9).toPrecision(2));
  return <div className="timeline-slowness">about {times.toLocaleString('en')} times slower</div>;
}

const COLOURS: Readonly<Record<'arp' | 'l3' | 'reply' | 'nat' | 'process' | 'drop' | 'table', readonly [string, string]>> = {
  arp: ['--okabe-orange', '#e69f00'],
  l3: ['--okabe-blue', '#0072b2'],
  reply: ['--okabe-sky', '#56b4e9'],
  nat: ['--okabe-purple', '#cc79a7'],
  process: ['--okabe-green', '#009e73'],
  drop: ['--okabe-vermillion', '#d55e00'],
  table: ['--muted', '#7b8494'],
};

interface Mark {
  readonly colour: keyof typeof COLOURS;
  readonly height: number;
}

/** Colour and height of an event's mark: what stops or serves a packet stands out, bookkeeping stays low. */
export function markOf(event: LabEvent): Mark {
  switch (event.type) {
    case 'drop':
    case 'icmpError':
    case 'bindFailed':
      return { colour: 'drop', height: 20 };
    case 'deliver':
    case 'process':
    case 'flowEnded':
      return { colour: 'process', height: 18 };
    case 'nat':
    case 'ipvs':
      return { colour: 'nat', height: 20 };
    case 'conntrack':
    case 'rule':
      return { colour: 'nat', height: 9 };
    case 'chain':
      return /drop|reject/.test(event.data.verdict) ? { colour: 'drop', height: 14 } : { colour: 'nat', height: 6 };
    case 'neighbour':
    case 'bridge':
      return { colour: 'arp', height: 11 };
    case 'socket':
    case 'flowStarted':
    case 'netnsAppeared':
    case 'deviceChanged':
    case 'routeChanged':
    case 'sysctlChanged':
    case 'ipvsServersChanged':
    case 'proxySynced':
      return { colour: 'table', height: 6 };
    default:
      if (event.frame?.payload.type === 'arp') return { colour: 'arp', height: 11 };
      return { colour: event.direction === 'reply' ? 'reply' : 'l3', height: 14 };
  }
}

const MARKS_BOTTOM = 34;
const BARS_TOP = 39;

function drawMarks(canvas: HTMLCanvasElement): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string, fallback: string): string => style.getPropertyValue(name).trim() || fallback;
  const line = colour('--line', '#d5dae2');
  const { recording, axis } = useLab.getState();
  const end = axis.end || 1;
  const x = (beat: number): number => (beat / end) * width;

  context.fillStyle = line;
  context.fillRect(0, MARKS_BOTTOM, width, 1);
  context.fillRect(0, BARS_TOP + 15, width, 1);

  const starts = new Map<number, number>();
  const bar = (from: number, to: number, flow: number): void => {
    context.globalAlpha = 0.38;
    context.fillStyle = colour(...COLOURS.process);
    context.beginPath();
    context.roundRect(x(from), BARS_TOP + (flow % 2) * 5, Math.max(3, x(to) - x(from)), 6, 3);
    context.fill();
    context.globalAlpha = 1;
  };
  recording.events.forEach((event, index) => {
    const at = axis.positionOf(index);
    if (event.type === 'flowStarted') starts.set(event.flow, at);
    const from = event.type === 'flowEnded' ? starts.get(event.flow) : undefined;
    if (from !== undefined) {
      bar(from, at, event.flow);
      starts.delete(event.flow);
    }
    const mark = markOf(event);
    context.fillStyle = colour(...COLOURS[mark.colour]);
    context.fillRect(Math.round(x(at)) - 1, MARKS_BOTTOM - mark.height, 2, mark.height);
  });
  for (const [flow, from] of starts) bar(from, axis.end, flow);

  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  context.textAlign = 'center';
  for (const gap of axis.breaks) {
    const left = x(gap.from);
    const room = x(gap.to) - left;
    context.strokeStyle = colour('--muted', '#7b8494');
    context.globalAlpha = 0.5;
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    context.strokeRect(left + 2.5, 12.5, Math.max(1, room - 5), MARKS_BOTTOM - 13);
    context.setLineDash([]);
    context.globalAlpha = 1;
    const text = formatDuration(gap.durationNs);
    if (context.measureText(text).width > room - 4) continue;
    context.fillStyle = colour('--muted', '#7b8494');
    context.fillText(text, left + room / 2, 24);
  }
  if (axis.length === 0) return;
  context.fillStyle = colour('--muted', '#7b8494');
  const ticks = Math.max(2, Math.min(7, Math.floor(width / 130)));
  for (let i = 0; i < ticks; i++) {
    const beat = (axis.end * i) / (ticks - 1);
    context.textAlign = i === 0 ? 'left' : i === ticks - 1 ? 'right' : 'center';
    context.fillText(formatTime(axis.timeAt(beat)), x(beat), BARS_TOP + 25);
  }
}

function Scrubber({ axis }: { readonly axis: PresentationAxis }) {
  const length = useLab((s) => s.length);
  const position = useLab((s) => s.position);
  const seek = useLab((s) => s.seek);
  const canvas = useRef<HTMLCanvasElement>(null);
  const head = useRef<HTMLDivElement>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` and `axis` say when there is more to draw
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = (): void => drawMarks(element);
    const size = new ResizeObserver(draw);
    size.observe(element);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'class'] });
    draw();
    return () => {
      size.disconnect();
      theme.disconnect();
    };
  }, [length, axis]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: as above, the head's place depends on the axis's end
  useEffect(() => {
    const move = (): void => {
      if (head.current) head.current.style.left = `${axis.end === 0 ? 0 : (playback.beat / axis.end) * 100}%`;
    };
    move();
    return playback.onChange(move);
  }, [axis, length]);

  const toPointer = (event: PointerEvent<HTMLDivElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    seek(axis.countAt(((event.clientX - box.left) / box.width) * axis.end));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const to: Record<string, number> = {
      ArrowLeft: position - 1,
      ArrowDown: position - 1,
      ArrowRight: position + 1,
      ArrowUp: position + 1,
      PageDown: position - 10,
      PageUp: position + 10,
      Home: 0,
      End: length,
    };
    const target = to[event.key];
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    seek(target);
  };
  return (
    <div
      className="timeline-scrubber"
      data-testid="timeline-scrubber"
      role="slider"
      tabIndex={0}
      aria-label="Playhead"
      aria-valuemin={0}
      aria-valuemax={length}
      aria-valuenow={position}
      aria-valuetext={`${formatTime(axis.timeAt(axis.positionOf(position - 1)))}, event ${position} of ${length}`}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        toPointer(event);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) toPointer(event);
      }}
    >
      <canvas ref={canvas} className="timeline-marks" />
      <div ref={head} className="timeline-head" />
    </div>
  );
}
